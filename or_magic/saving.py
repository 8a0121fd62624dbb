"""An answer's images, table and text, taken out and written into files."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import decimal
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from or_magic.errors import CommandError
from or_magic.extracting import records_frame

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from or_magic.contents import Contents


def images_of(urls: Iterable[str]) -> list[Image]:
    """The images that ``data:`` addresses hold; others are left out, and so is what is no image."""
    from PIL import Image, UnidentifiedImageError

    images: list[Image.Image] = []
    for url in urls:
        head, comma, data = url.partition(",")
        if comma and head.startswith("data:") and head.endswith(";base64"):
            try:
                image = Image.open(io.BytesIO(base64.b64decode(data)))
                image.load()
            except (UnidentifiedImageError, binascii.Error, OSError, SyntaxError, ValueError):
                continue
            images.append(image)
    return images


def value_frame(value: Any) -> pd.DataFrame:
    """A validated value as a table, a row for each item of a list, with pandas' own types for dates and nulls.

    Decimals stay what they are, exact, in a column of objects.
    """
    rows = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    frame = records_frame([_fields(row) for row in rows])
    for name in frame.columns:
        frame[name] = _typed(frame[name])
    return frame


def save(answer: Contents, path: Path, *, overwrite: bool) -> Path:
    """Writes an answer into a file, by its ending; see `Contents.save`.

    Raises:
        CommandError: the file is there already, cannot be written, or the answer holds nothing of that kind.
    """
    path = path.expanduser().absolute()
    if path.exists() and not overwrite:
        raise CommandError(f"{path.name} is there already. Name another file, or say overwrite=True.")
    try:
        data = _content(answer, path.suffix.lower())
        path.write_bytes(data)
    except (ValueError, IndexError) as error:
        raise CommandError(f"{path.name} was not written: {error}.") from None
    except OSError as error:
        raise CommandError(f"{path.name} cannot be written: {error.strerror or error}. Name another file.") from None
    return path


def _content(answer: Contents, ending: str) -> bytes:
    if ending == ".py":
        blocks = [str(block) for block in answer.code if block.is_python]
        if not blocks:
            raise ValueError("there is no Python in the answer")
        return ("\n\n# ---\n\n".join(blocks) + "\n").encode("utf-8", "replace")
    if ending == ".json":
        return (json.dumps(answer.json(), ensure_ascii=False, indent=1) + "\n").encode("utf-8", "replace")
    if ending == ".csv":
        return answer.df().to_csv(index=False, lineterminator="\n").encode("utf-8", "replace")
    if ending in (".png", ".jpg", ".jpeg", ".webp", ".gif"):
        if not answer.images:
            raise ValueError("there is no image in the answer")
        saved = io.BytesIO()
        image = answer.images[0]
        image = image.convert("RGB") if ending in (".jpg", ".jpeg") else image
        image.save(saved, {".jpg": "jpeg"}.get(ending, ending[1:]))
        return saved.getvalue()
    return answer.text.encode("utf-8", "replace")


def _fields(row: Any) -> Any:
    if hasattr(type(row), "model_dump"):
        return row.model_dump()
    return dataclasses.asdict(row) if dataclasses.is_dataclass(row) and not isinstance(row, type) else row


def _typed(column: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    filled = [each for each in column if each is not None and each is not pd.NaT]
    if not filled:
        return column
    if all(isinstance(each, datetime.date) for each in filled):
        return pd.to_datetime(column)
    has_nulls = len(filled) < len(column)
    if has_nulls and all(isinstance(each, bool) for each in filled):
        return column.astype("boolean")
    is_whole = all(isinstance(each, (int, float)) and not isinstance(each, bool) and each == each for each in filled)
    if is_whole and has_nulls and not any(isinstance(each, decimal.Decimal) for each in filled):
        return column.astype("Int64" if all(float(each).is_integer() for each in filled) else "Float64")
    return column
