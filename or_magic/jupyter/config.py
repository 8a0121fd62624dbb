"""What ``%config OpenRouterMagics`` can set: a trait for each option and parameter, made when somebody first looks.

The traits hold what the user has given, a value of Python or a text, after its value type has checked it. They are no
part of the class as it is loaded: to make a hundred of them needs the tables of all options and parameters, and most
notebooks never look at them.
"""

from __future__ import annotations

from typing import Any

from traitlets import TraitError, TraitType
from traitlets.config import Configurable

from or_magic.errors import CommandError
from or_magic.settings.layers import is_unset
from or_magic.settings.options import OPTIONS
from or_magic.settings.parameters import PARAMETER_BY_PLAIN_NAME, UNSET_WORD
from or_magic.settings.value_types import Text, ValueType


class SettingValue(TraitType[Any, Any]):
    """A trait that takes what a value type takes; "" and None for "not set"."""

    def __init__(self, type: ValueType, help: str) -> None:
        shown = type.shown or "on|off"
        super().__init__("", allow_none=True, help=f"{help} ({shown})")
        self.tag(config=True)
        self._type = type

    def validate(self, obj: Any, value: Any) -> Any:
        """The value as it was given.

        Raises:
            TraitError: it cannot be one.
        """
        if is_unset(value) or (isinstance(value, str) and value.strip() == UNSET_WORD):
            return value
        try:
            self._type.read(value.strip() if isinstance(value, str) else value, self.name or "", is_typed=True)
        except CommandError as error:
            raise TraitError(str(error)) from None
        return value


def has_settings(configurable: type[Configurable]) -> bool:
    """Whether a class has its traits already."""
    return "base_url" in vars(configurable)


def declare_settings(configurable: Any) -> None:
    """Gives a class the traits, once."""
    if has_settings(configurable):
        return
    traits = {
        "model": SettingValue(Text("MODEL"), "Model to ask; empty for OR_MAGIC_MODEL or openrouter/auto"),
        "base_url": SettingValue(Text("URL"), "Address to ask; empty for OPENROUTER_BASE_URL or openrouter.ai"),
        **{option.name: SettingValue(option.type, option.help) for option in OPTIONS},
        **{name: SettingValue(parameter.type, parameter.help) for name, parameter in PARAMETER_BY_PLAIN_NAME.items()},
    }
    for name, trait in traits.items():
        setattr(configurable, name, trait)
    configurable.setup_class(traits)


def config_values(configurable: Configurable) -> dict[str, Any]:
    """What is set in ``%config`` now, by name with underscores for dots."""
    traits = (name for name, trait in type(configurable).__dict__.items() if isinstance(trait, SettingValue))
    values = {name: getattr(configurable, name) for name in traits}
    return {name: value for name, value in values.items() if not is_unset(value)}
