"""Many cases in one test: all of them are tried, and a failure names each one that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def check_none(wrong: Mapping[Any, Any]) -> None:
    """Fails, with their names, if a case has anything wrong.

    Args:
        wrong: what is wrong, by case: an empty value for nothing.
    """
    found = {case: what for case, what in wrong.items() if what}
    assert not found, "\n".join([f"{len(found)} of {len(wrong)} cases:", *(f"{k}: {v}" for k, v in found.items())])
    assert wrong, "there are no cases"
