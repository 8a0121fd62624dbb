"""The parameters that a user set, put in their places: the body, the headers, the model id. Pure.

Names that the API has given up are translated, and it is said to what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from or_magic.errors import CommandError
from or_magic.settings.parameters import PARAMETER_BY_NAME, PARAMETERS, Parameter

OLD_NAMES = ("transforms", "route", "provider.quantization", "include_reasoning", "usage")
_OURS = frozenset({"messages", "model", "stream", "stream_options"})
_GROUPS = ("provider", "reasoning")


@dataclass(frozen=True, slots=True)
class Composed:
    """What a request says besides its messages.

    Attributes:
        model: the id with its variants; None for the account's default.
        body: fields of the body.
        headers: by name.
        notes: what was translated, one line each.
    """

    model: str | None
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    notes: tuple[str, ...] = ()


def compose(model: str | None, values: Mapping[str, Any]) -> Composed:
    """Puts the values of parameters (by name, as their types gave them) in their places.

    Raises:
        CommandError: two of them contradict each other, or one cannot be set.
    """
    flat, notes = _translated(_flat(values))
    if "reasoning_effort" in flat and "reasoning.effort" in flat:
        raise CommandError("--reasoning and --reasoning-effort say the same thing; set one of them.")
    body: dict[str, Any] = {}
    headers: dict[str, str] = {}
    variants: list[str] = []
    for name, value in flat.items():
        parameter = PARAMETER_BY_NAME.get(name)
        if parameter is None or parameter.place == "body":
            _put(body, name.split("."), value)
        elif parameter.place == "variant":
            variants += [name] if value else []
        else:
            headers[parameter.header] = _header(parameter, value)
    return Composed(_with_variants(model, variants), body, headers, notes)


def private_names() -> frozenset[str]:
    """Top-level fields of a body that tell about the user."""
    return frozenset(parameter.name.partition(".")[0] for parameter in PARAMETERS if parameter.is_private)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """One entry a field: objects of groups are taken apart, what has a name of its own wins over them."""
    flat: dict[str, Any] = {}
    for group in _GROUPS:
        value = values.get(group)
        if isinstance(value, str):
            flat[f"{group}.effort"] = value
        elif value is not None:
            flat |= {f"{group}.{key}": _checked(f"{group}.{key}", inner) for key, inner in value.items()}
            flat |= {} if value else {group: {}}
    flat |= {name: value for name, value in values.items() if name not in (*_GROUPS, "param")}
    for key, value in (values.get("param") or {}).items():
        if key in _OURS:
            raise CommandError(f"--param {key}: or_magic sets {key} itself.")
        flat |= _flat({key: _checked(key, value)}) if key in _GROUPS else {key: _checked(key, value)}
    return flat


def _checked(name: str, value: Any) -> Any:
    parameter = PARAMETER_BY_NAME.get(name)
    return value if parameter is None else parameter.check(value, name)


def _put(body: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        inner = body.setdefault(key, {})
        if not isinstance(inner, dict):
            raise CommandError(f"{'.'.join(path)} cannot be set: {key} is {inner!r}.")
        body = inner
    body[path[-1]] = value


def _header(parameter: Parameter, value: Any) -> str:
    if isinstance(value, bool):
        word = ("disabled", "enabled") if parameter.name == "router_metadata" else ("false", "true")
        return word[value]
    text = ",".join(value) if isinstance(value, list) else str(value)
    if not text.isprintable() or not text.isascii():
        raise CommandError(f"{parameter.long_flag} is {text!r}; a header holds plain ASCII letters alone.")
    return text


def _with_variants(model: str | None, variants: list[str]) -> str | None:
    if not variants:
        return model
    if model is None:
        raise CommandError(f"--{variants[0]} is a variant of a model; name the model too.")
    known = model.split(":")[1:]
    return ":".join([model, *(variant for variant in variants if variant not in known)])


def _translated(flat: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The fields under today's names, and what became of the old ones."""
    notes = []
    if (quantization := flat.pop("provider.quantization", None)) is not None:
        precisions = quantization if isinstance(quantization, list) else [quantization]
        flat.setdefault("provider.quantizations", _checked("provider.quantizations", precisions))
        notes.append(f"provider.quantization is now provider.quantizations: {flat['provider.quantizations']}.")
    if (transforms := flat.pop("transforms", None)) is not None:
        plugin = {"id": "context-compression"} | ({} if transforms else {"enabled": False})
        flat["plugins"] = [*flat.get("plugins", []), plugin]
        notes.append(f"transforms is now a plugin: {plugin}.")
    if flat.pop("route", None) is not None:
        models = flat.get("models")
        what = f": {models}" if models else ", which --fallback fills"
        notes.append(f"route is gone; fallbacks are the models list{what}.")
    if (included := flat.pop("include_reasoning", None)) is not None:
        flat.setdefault("reasoning.exclude", not included)
        notes.append(f"include_reasoning is now reasoning.exclude: {not included}.")
    if flat.pop("usage", None) is not None:
        notes.append("usage need not be asked for any more; it always comes.")
    return flat, tuple(notes)
