"""What authors declare parameters with. Imported only where some playbook has them, because pydantic takes its time."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Field", "Params"]


class Params(BaseModel):
    """What operators may set for one playbook in `params.toml`: a pydantic model whose fields all have defaults.

    Values are taken as they are written: a number in quotes is no number. They never change while the worker runs, so a
    sequence is a `tuple`, and a set a `frozenset`.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_default=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )
