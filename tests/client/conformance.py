"""Our dicts against the official SDK's models, which ignore what they do not know: a key that vanishes is wrong.

The models ignore unknown names, take unknown enum values, and read a nested object of a wrong type as unset. So what
is put in is compared with what comes out: a vanished key is an unknown name, a wrong type or an unknown value.
"""

from __future__ import annotations

from typing import Any

# Documented (openrouter.ai/docs, 2026-08), and not in the SDK's schema.
LEGITIMATE = frozenset(
    {
        *("preset", "verbosity", "structured_outputs", "web_search_options", "audio", "x_search_filter"),
        *("reasoning.max_tokens", "reasoning.enabled", "reasoning.exclude", "reasoning.context", "reasoning.mode"),
        "max_tool_calls",
    }
)


def vanished(model: Any, document: dict[str, Any]) -> list[str]:
    """The paths of the keys that the model does not know.

    Raises:
        pydantic.ValidationError: a value has a type that it does not take.
    """
    known = model.model_validate(document).model_dump(mode="json", by_alias=True, exclude_unset=True)
    return _missing(document, known, "")


def _missing(given: Any, known: Any, path: str) -> list[str]:
    if isinstance(given, dict) and isinstance(known, dict):
        return [
            found
            for key, value in given.items()
            for found in ([path + key] if key not in known else _missing(value, known[key], f"{path}{key}."))
        ]
    if isinstance(given, list) and isinstance(known, list):
        pairs = enumerate(zip(given, known, strict=True))
        return [found for number, (one, other) in pairs for found in _missing(one, other, f"{path}{number}.")]
    return []
