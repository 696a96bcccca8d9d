"""The vendor's OpenAPI description, all of it, and examples of what it allows."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parent / "email-security.trimmed.json").read_text())
PREFIX = "/accounts/{account_id}/email-security/"
WHEN, LATER = "2026-11-02T03:04:05Z", "2026-11-03T03:04:05Z"
NOVEL = "BRAND-NEW"
"""A value that the vendor may add to an enumeration tomorrow."""
LEGACY = frozenset({"sent_date"})
"""Not marked as deprecated in the document, but replaced (`sent_at`) by newer ones."""
BASE64 = "iVBORw0KGgo="
"""What a `screenshot` is made of, and an `eml_content`: the document calls both a string."""


def operations() -> dict[str, dict[str, Any]]:
    """Every operation by its method and path, such as `GET investigate/{investigate_id}`."""
    return {
        f"{method.upper()} {path.removeprefix(PREFIX)}": operation
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that a reference points to; of alternatives the first that is more than null."""
    if "$ref" in schema:
        _, _, kind, name = schema["$ref"].split("/")
        return resolved(DOCUMENT["components"][kind][name])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return resolved(next(one for one in schema[several] if one.get("type") != "null"))
    return schema


def query_parameters(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Schemas of the parameters that are not deprecated."""
    return {
        one["name"]: one["schema"]
        for one in operation["parameters"]
        if one["in"] == "query" and not one.get("deprecated")
    }


def body_schemas(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """What the body may be: nothing, one thing, or one of several."""
    if "requestBody" not in operation:
        return []
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return [*schema.get("oneOf", [schema])]


def success(operation: dict[str, Any]) -> tuple[int, dict[str, Any], bool]:
    """Status, schema of `result`, and whether it may be missing."""
    status = min(code for code in operation["responses"] if code.startswith("2"))
    schema = operation["responses"][status]["content"]["application/json"]["schema"]
    return int(status), schema["properties"]["result"], "result" not in schema["required"]


def kept(schema: dict[str, Any], value: Any) -> Any:
    """The value without what is deprecated, unknown or null."""
    schema = resolved(schema)
    if isinstance(value, list):
        return [kept(schema["items"], one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: kept(one, value[name])
        for name, one in schema.get("properties", {}).items()
        if value.get(name) is not None and not one.get("deprecated") and name not in LEGACY
    }


@dataclass
class Examples:
    """Makes values that a schema allows, each different from the others, without deprecated fields.

    Args:
        novel: what tomorrow may bring: other values in every enumeration, other fields, and the deprecated ones too.
        bare: what is not required is null where it may be, and left out where not; ids are kept.
    """

    novel: bool = False
    bare: bool = False
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def of(self, schema: dict[str, Any], name: str = "value") -> Any:
        """One example."""
        schema = resolved(schema)
        number = next(self._numbers)
        if "const" in schema and not (self.novel and schema.get("type") == "string"):
            return schema["const"]
        if "enum" in schema:
            known = [
                one
                for one in schema["enum"]
                if one not in (None, *schema.get("x-deprecated-enum-values", ()))
            ]
            return NOVEL if self.novel else known[number % len(known)]
        kind = schema.get("type", "object")
        if isinstance(kind, list):
            kind = next(one for one in kind if one != "null")
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return [self.of(schema["items"], name)]
        if kind in {"integer", "number"}:
            return number % 20 + 1
        return kind == "boolean" or self._text(schema, name, number)

    def _object(self, schema: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, one in schema.get("properties", {}).items():
            if (one.get("deprecated") and not self.novel) or name in LEGACY:
                continue
            if self.bare and name not in schema.get("required", ()) and name != "id":
                if "null" in str(one.get("type", one.get("anyOf"))):
                    made[name] = None
                continue
            made[name] = self.of(one, name)
        return made | ({"brand_new": {"field": [7]}} if self.novel else {})

    def _text(self, schema: dict[str, Any], name: str, number: int) -> str:
        if name in {"screenshot", "eml_content"}:
            return BASE64
        match schema.get("format"):
            case "date-time":
                return LATER if name == "end" else WHEN
            case "uuid":
                return f"{number:08d}-0000-4000-8000-000000000000"
        return f"{name} {number}"
