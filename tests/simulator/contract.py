"""Checks an answer against the vendor's OpenAPI description: all of its operations, types, enums and limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.contract import document

DOCUMENT = deepcopy(document.DOCUMENT)
"""The description, with what is known to differ from it."""
for _name, _schema in DOCUMENT["components"]["schemas"].items():
    if re.match(r"Domain\w+Response", _name) and "status" in _schema["properties"]:
        # The SDK, from which the description is made, knows upper case only; the vendor's pages show lower case.
        _schema["properties"]["status"]["enum"] += ["pending", "active", "failed", "timeout"]
_URI = "urn:email-security"
_REGISTRY: Registry[Any] = Registry().with_resource(_URI, DRAFT202012.create_resource(DOCUMENT))
_FORMATS = FormatChecker(())
_VERIFIED = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {"id": {"type": "string"}, "status": {"enum": ["active", "disabled", "expired"]}},
}
"""Result of the two `tokens/verify` operations, which another description of the vendor holds."""


@_FORMATS.checks("date-time", raises=msgspec.ValidationError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or msgspec.convert(value, datetime).tzinfo is not None


@_FORMATS.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or str(UUID(value)) == value


def operations() -> set[tuple[str, str]]:
    """All (method, path template) pairs of the contract."""
    return {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}


def validate(method: str, path: str, status: int, headers: Mapping[str, str], body: object) -> None:
    """Raises jsonschema.ValidationError when the answer to a request breaks the contract."""
    assert "Ratelimit" in headers
    assert "Ratelimit-Policy" in headers
    if path.endswith("/tokens/verify") and status == 200:
        assert isinstance(body, dict)
        Draft202012Validator(_VERIFIED).validate(body["result"])
        return
    _validator(_response_pointer(method, path, status)).validate(body)


def _response_pointer(method: str, path: str, status: int) -> str:
    template = _template(method, path)
    if template is None:
        return "/components/responses/" + ("TooManyRequests" if status == 429 else "ClientError")
    responses = DOCUMENT["paths"][template][method.lower()]["responses"]
    name = str(status) if str(status) in responses else f"{status // 100}XX"
    reference = responses[name].get("$ref")
    if reference:
        return str(reference).removeprefix("#")
    return f"/paths/{template.replace('~', '~0').replace('/', '~1')}/{method.lower()}/responses/{name}"


def _template(method: str, path: str) -> str | None:
    """The contract's path of a request; a literal segment goes before a variable one."""
    matching = [
        template
        for known, template in operations()
        if known == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    return min(matching, key=lambda template: template.count("{"), default=None)


@cache
def _validator(pointer: str) -> Draft202012Validator:
    reference = {"$ref": f"{_URI}#{pointer}/content/application~1json/schema"}
    return Draft202012Validator(reference, registry=_REGISTRY, format_checker=_FORMATS)
