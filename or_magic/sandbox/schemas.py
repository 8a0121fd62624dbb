"""A value that fits a JSON schema, the same each time: the answer of the schema-filling and the tool-calling voice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00",
    "email": "name@example.org",
    "uri": "https://example.org",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_DEEPEST = 12  # a schema may name itself


def fitting(schema: object) -> Any:
    """A value for the schema: its default, its first example or choice, or the simplest thing of its type."""
    root = schema if isinstance(schema, Mapping) else {}
    return _value(root, root, 0)


def broken(value: Any, fault: str) -> str:
    """The value as JSON that no longer fits, in one of six ways: cut, list, missing, null, prose, type."""
    if fault == "cut":
        text = json.dumps(value, ensure_ascii=False)
        return text[: max(len(text) - 2, 1)]
    if fault == "prose":
        return "I would rather answer in words."
    changed: Any = {"list": [value], "null": None, "missing": _without_first(value), "type": _with_wrong_leaf(value)}
    return json.dumps(changed.get(fault, value), ensure_ascii=False)


def _without_first(value: Any) -> Any:
    """Without the first field of an object, of the innermost that stands alone in another."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), dict):
        return {name: _without_first(inner) for name, inner in value.items()}
    return dict(list(value.items())[1:]) if isinstance(value, dict) else value


def _with_wrong_leaf(value: Any) -> Any:
    """With an object in the place of the first value that is none."""
    if isinstance(value, dict) and value:
        first, *rest = value.items()
        return {first[0]: _with_wrong_leaf(first[1]), **dict(rest)}
    if isinstance(value, list) and value:
        return [_with_wrong_leaf(value[0]), *value[1:]]
    return {"not": ["what", "was", "asked"]}


def _value(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    schema = _resolved(schema, root)
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    for name in ("enum", "examples"):
        if isinstance(schema.get(name), list) and schema[name]:
            return schema[name][0]
    for name in ("anyOf", "oneOf"):
        choices = [choice for choice in schema.get(name) or [] if isinstance(choice, Mapping)]
        if choices:
            real = [choice for choice in choices if choice.get("type") != "null"]
            return _value((real or choices)[0], root, depth + 1)
    return _of_type(schema, root, depth)


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if kind == "object" or (kind is None and "properties" in schema):
        return _object(schema, root, depth)
    if kind == "array" and isinstance(schema.get("prefixItems"), list):
        return [_value(item, root, depth + 1) for item in schema["prefixItems"]]
    if kind == "array":
        items = schema.get("items")
        fewest = int(schema.get("minItems") or 0)
        count = 0 if depth > _DEEPEST else fewest if depth > _DEEPEST // 2 else max(1, fewest)
        return [_value(items if isinstance(items, Mapping) else {}, root, depth + 1)] * count
    if kind in ("integer", "number"):
        return _number(schema, kind)
    if kind == "string":
        return _string(schema)
    return {"boolean": True, "null": None}.get(str(kind), "rehearsal")


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    names = schema.get("required") or [] if depth > _DEEPEST // 2 else list(properties or {})
    if not isinstance(properties, Mapping) or depth > _DEEPEST:
        return {}
    inner = {name: properties[name] for name in names if isinstance(properties.get(name), Mapping)}
    return {name: _value(each, root, depth + 1) for name, each in inner.items()}


def _number(schema: Mapping[str, Any], kind: str) -> Any:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    value = low if low is not None else min(1, high) if high is not None else 1
    value += 1 if "exclusiveMinimum" in schema and "minimum" not in schema else 0
    return int(value) if kind == "integer" else value


def _string(schema: Mapping[str, Any]) -> str:
    text = _FORMATS.get(str(schema.get("format")), "rehearsal")
    text = text.ljust(int(schema.get("minLength") or 0), "x")
    return text[: int(schema["maxLength"])] if isinstance(schema.get("maxLength"), int) else text


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(_DEEPEST):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        found: Any = root
        for key in reference[2:].split("/"):
            found = found.get(key) if isinstance(found, Mapping) else None
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**(found if isinstance(found, Mapping) else {}), **beside}
    return schema
