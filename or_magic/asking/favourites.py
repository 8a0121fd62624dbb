"""The models that a user likes best: a list of ids in the settings file, for all notebooks."""

from __future__ import annotations

from or_magic.errors import CommandError
from or_magic.settings import FAVOURITES, Settings


def favourites(settings: Settings) -> list[str]:
    """Their ids, the first liked first; none where the user has named none.

    Raises:
        CommandError: the settings file cannot be read, or holds something else under that name.
    """
    told = settings.file.values().get(FAVOURITES, [])
    if not isinstance(told, list) or not all(isinstance(id, str) for id in told):
        raise CommandError(f'In the settings file: {FAVOURITES} is a list such as ["openai/gpt-5-mini"].')
    return [str(id) for id in told]


def put_favourite(settings: Settings, id: str, *, is_one: bool) -> list[str]:
    """Adds a model to them, or takes it out, and gives those that there are then.

    Raises:
        CommandError: the settings file cannot be read or written.
    """
    before = favourites(settings)
    if is_one == (id in before):
        return before
    after = [*before, id] if is_one else [each for each in before if each != id]
    settings.file.put((FAVOURITES,), after or None)
    return after
