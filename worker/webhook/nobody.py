"""Says once, at the start, which playbooks would tell somebody if the operator had named whom."""

from __future__ import annotations

from types import CodeType, FunctionType

from worker.model.actions import Mode, lower_mode
from worker.model.telling import Notify
from worker.ops.logs import get_logger
from worker.playbooks.loader import Catalogue

log = get_logger()


def tell_of_nobody(catalogue: Catalogue, ceiling: Mode) -> None:
    """To be called where there is no webhook."""
    speaking = [
        one.id
        for one in catalogue.playbooks
        if lower_mode(one.mode, ceiling) is not Mode.SHADOW and _names(one.function, Notify)
    ]
    if speaking:
        log.warning("notify.nobody", playbooks=speaking)


def _names(function: object, wanted: object) -> bool:
    """Whether the code of a function, or of those that it calls by their names, speaks of this."""
    seen, waiting = set(), [function]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, FunctionType) or one in seen:
            continue
        seen.add(one)
        codes = [one.__code__]
        for code in codes:
            codes.extend(inner for inner in code.co_consts if isinstance(inner, CodeType))
        spoken = [one.__globals__.get(name) for code in codes for name in code.co_names]
        if wanted in spoken:
            return True
        waiting += spoken
    return False
