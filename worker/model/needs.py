"""What a playbook may ask for beside its event: the names, and what happens where one is read before it is there."""

from __future__ import annotations

from typing import Literal, get_args

Need = Literal["details", "action_log", "trace", "raw", "attachments"]
NEEDS: tuple[Need, ...] = get_args(Need)


class UnfetchedError(BaseException):
    """A playbook reads what has not been fetched: it is stopped here, and asked again once it is there.

    No Exception, so that hardly anybody catches it.
    """

    def __init__(self, need: str) -> None:
        super().__init__(f"{need} has not been fetched")
        self.need = need
