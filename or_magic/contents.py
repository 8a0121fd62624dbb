"""What can be made of an answer: the value that it stands for, its code, its tables, its images, a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from or_magic.errors import SchemaError
from or_magic.extracting import Code, code_blocks, frame_in, json_in
from or_magic.saving import images_of, save, value_frame

if TYPE_CHECKING:  # each takes a while to import
    import pandas as pd
    from PIL.Image import Image


class Contents:
    """The part of an `Answer` that makes objects of it.

    Attributes:
        read: the value that the text stands for; raises ValueError where it stands for none. None without a schema.
        image_urls: addresses of the images that the model made.
    """

    read: Callable[[str], Any] | None
    image_urls: tuple[str, ...]
    _value: Any

    @property
    def text(self) -> str:
        """The answer's text."""
        raise NotImplementedError

    @property
    def value(self) -> Any:
        """The object that it was asked to be by a schema, validated; None where none was asked for.

        Raises:
            SchemaError: its text does not fit; `text` holds it.
        """
        if self._value is None and self.read is not None:
            try:
                self._value = self.read(self.text)
            except ValueError as error:
                raise SchemaError(f"The answer does not fit the schema ({error}). _answer.text holds it.") from None
        return self._value

    @property
    def code(self) -> list[Code]:
        """The blocks of code in its text, in order; each knows its `language`."""
        return code_blocks(self.text)

    def json(self) -> Any:
        """The JSON in its text, also in a fence or with prose around it.

        Raises:
            NotFoundError: there is none.
        """
        return json_in(self.text)

    def df(self, number: int = 0) -> pd.DataFrame:
        """A table in its text, of CSV in a fence, of Markdown or of JSON, with numbers as numbers; of a `value` that a
        schema made, one row for each of its items.

        Args:
            number: which one, where there are several: 0, 1, ...

        Raises:
            NotFoundError: there is none of that number.
        """
        if self.read is not None:
            return value_frame(self.value)
        return frame_in(self.text, number)

    @property
    def images(self) -> list[Image]:
        """The images that came with it, as Pillow's; one that lies at an address elsewhere is in `image_urls` alone."""
        return images_of(self.image_urls)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Writes it into a file, by its ending: ``.py`` its Python code, ``.json``, ``.csv`` its table, ``.png`` (or
        another of Pillow's) its first image, any other its text. Returns the absolute path.

        Raises:
            CommandError: the file is there already, cannot be written, or the answer holds nothing of that kind.
        """
        return save(self, Path(path), overwrite=overwrite)
