"""Images and figures as parts of a message: as they are, or made smaller where services do not take them so large.

Formats: png, jpeg, gif and webp (openrouter.ai/docs, "Images", 2026-08). Sizes: Anthropic takes 8,000 pixels a side,
2,000 where there are more than 20 images, and 5 MB of base64 each (platform.claude.com/docs, "Vision", 2026); Amazon
takes 3.75 MB; others take more. So a side has at most 2,000 pixels here, and an image 3.7 MB.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

from or_magic.content import Content, Room
from or_magic.errors import CommandError
from or_magic.messages import ImagePart

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 2_000  # a side
MOST_BYTES = 3_700_000
_DPI = 144
_SENDABLE = {"PNG": "png", "JPEG": "jpeg", "GIF": "gif", "WEBP": "webp"}
_QUALITIES = (90, 75, 60)


def image_bytes(data: bytes, name: str) -> Content:
    """An image file of any kind that Pillow reads.

    Raises:
        CommandError: it is damaged, or too large to be read.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.format in _SENDABLE and max(image.size) <= MOST_PIXELS and len(data) <= MOST_BYTES:
                image.verify()
                return Content((_part(data, _SENDABLE[image.format]),))
            image.load()
            return pil_image(image, name, Room())
    except UnidentifiedImageError:
        raise CommandError(f"{name} is no image that can be read: it is damaged, or of another kind.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CommandError(f"{name} is no image that can be read ({' '.join(str(error).split())[:200]}).") from error


def pil_image(image: Image.Image, name: str, room: Room) -> Content:
    """A ``PIL.Image``."""
    from PIL import Image

    notes = []
    before = image.size
    if max(before) > MOST_PIXELS:
        scale = MOST_PIXELS / max(before)
        size = (max(1, round(before[0] * scale)), max(1, round(before[1] * scale)))
        image = _true_colour(image).resize(size, Image.Resampling.LANCZOS)
        notes.append(f"{name}: sent as {size[0]:,} x {size[1]:,} pixels instead of {before[0]:,} x {before[1]:,}.")
    data = _saved(image if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else _true_colour(image), "PNG")
    if len(data) <= MOST_BYTES:
        return Content((_part(data, "png"),), tuple(notes))
    for quality in _QUALITIES:
        data = _saved(_on_white(image), "JPEG", quality=quality)
        if len(data) <= MOST_BYTES:
            break
    notes.append(f"{name}: sent as JPEG of {len(data) / 1e6:.1f} MB; as PNG it has over {MOST_BYTES / 1e6:.1f} MB.")
    return Content((_part(data, "jpeg"),), tuple(notes))


def matplotlib_figure(value: Any, name: str, room: Room) -> Content:
    """A figure of matplotlib or seaborn, one of its axes, or an array of them: the whole figure."""
    figure = getattr(value, "figure", None)
    if figure is None and hasattr(value, "flat"):
        figure = value.flat[0].figure
    drawn = io.BytesIO()
    (figure if figure is not None else value).savefig(
        drawn, format="png", dpi=_DPI, bbox_inches="tight", metadata={"Software": None}
    )
    return image_bytes(drawn.getvalue(), name)


def plotly_figure(value: Any, name: str, room: Room) -> Content:
    """A figure of plotly; where it cannot be drawn here (that takes kaleido and a browser), its data and layout."""
    try:
        return image_bytes(value.to_image(format="png", scale=2), name)
    except Exception as error:  # whatever is missing or broken of kaleido and its browser
        note = f"{name}: sent as data, not as an image: plotly draws with kaleido ({_first_line(error)})."
        return _specification(value.to_json(), name, note, room)


def altair_chart(value: Any, name: str, room: Room) -> Content:
    """A chart of altair; where it cannot be drawn here (that takes vl-convert), its specification."""
    drawn = io.BytesIO()
    try:
        value.save(drawn, format="png", scale_factor=2)
    except Exception as error:  # vl-convert is missing, or the chart is not whole
        note = f"{name}: sent as its specification, not as an image: altair draws with vl-convert-python "
        return _specification(value.to_json(), name, f"{note}({_first_line(error)}).", room)
    return image_bytes(drawn.getvalue(), name)


def _specification(text: str, name: str, note: str, room: Room) -> Content:
    from or_magic.asking.content.blocks import cut_middle, fenced

    shown, left_out = cut_middle(text, room)
    notes = [note, f"{name}: {left_out:,} characters of it left out."] if left_out else [note]
    return Content.of_text(f"{name}, a chart as JSON:\n{fenced(shown, 'json')}", *notes, is_block=True)


def _part(data: bytes, kind: str) -> ImagePart:
    return ImagePart(f"data:image/{kind};base64,{base64.b64encode(data).decode()}")


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    saved = io.BytesIO()
    image.save(saved, kind, **options)
    return saved.getvalue()


def _true_colour(image: Image.Image) -> Image.Image:
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    return image.convert("RGBA" if has_alpha else "RGB")


def _on_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    image = _true_colour(image)
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _first_line(error: Exception) -> str:
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return line[:120].rstrip(".")
