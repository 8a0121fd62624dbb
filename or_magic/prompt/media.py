"""Files, bytes, images and figures as parts of a message: as they are, or made smaller where they are too large.

Formats: png, jpeg, gif and webp (openrouter.ai/docs, "Images", 2026-08). Sizes: Anthropic takes 8,000 pixels a side,
2,000 where there are more than 20 images, and 5 MB of base64 each (platform.claude.com/docs, "Vision", 2026); Amazon
takes 3.75 MB; others take more. So an image is sent with at most 2,000 pixels a side and 3.7 MB.

The kind of a file is known by its first bytes, else by its ending. Kinds: openrouter.ai/docs, "Multimodal" (2026-08):
any model can be sent a PDF (the service reads it out where the model does not); sounds are never sent by address.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from or_magic.client.requests import LARGEST_BODY
from or_magic.content import Content, SizeLimit, cut_middle, fenced
from or_magic.errors import CommandError
from or_magic.text import nearest, shorten
from or_magic.types import FilePart, ImagePart, Part, SoundPart, VideoPart

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
            return pil_image(image, name, SizeLimit())
    except UnidentifiedImageError:
        raise CommandError(f"{name} is no image that can be read: it is damaged, or of another kind.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CommandError(f"{name} is no image that can be read ({shorten(str(error), 200)}).") from error


def pil_image(image: Image.Image, name: str, limit: SizeLimit) -> Content:
    """A ``PIL.Image``."""
    from PIL import Image

    notes = []
    before = image.size
    if max(before) > MOST_PIXELS:
        scale = MOST_PIXELS / max(before)
        size = (max(1, round(before[0] * scale)), max(1, round(before[1] * scale)))
        image = _true_color(image).resize(size, Image.Resampling.LANCZOS)
        notes.append(f"{name}: sent as {size[0]:,} x {size[1]:,} pixels instead of {before[0]:,} x {before[1]:,}.")
    data = _saved(image if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else _true_color(image), "PNG")
    if len(data) <= MOST_BYTES:
        return Content((_part(data, "png"),), tuple(notes))
    for quality in _QUALITIES:
        data = _saved(_on_white(image), "JPEG", quality=quality)
        if len(data) <= MOST_BYTES:
            break
    notes.append(f"{name}: sent as JPEG of {len(data) / 1e6:.1f} MB; as PNG it has over {MOST_BYTES / 1e6:.1f} MB.")
    return Content((_part(data, "jpeg"),), tuple(notes))


def matplotlib_figure(value: Any, name: str, limit: SizeLimit) -> Content:
    """A figure of matplotlib or seaborn, one of its axes, or an array of them: the whole figure."""
    figure = getattr(value, "figure", None)
    if figure is None and hasattr(value, "flat"):
        figure = value.flat[0].figure
    drawn = io.BytesIO()
    (figure if figure is not None else value).savefig(
        drawn, format="png", dpi=_DPI, bbox_inches="tight", metadata={"Software": None}
    )
    return image_bytes(drawn.getvalue(), name)


def plotly_figure(value: Any, name: str, limit: SizeLimit) -> Content:
    """A figure of plotly; where it cannot be drawn (that takes kaleido and a browser), its data and layout."""
    try:
        return image_bytes(value.to_image(format="png", scale=2), name)
    except Exception as error:  # whatever is missing or broken of kaleido and its browser
        note = f"{name}: sent as data, not as an image: plotly draws with kaleido ({_first_line(error)})."
        return _specification(value.to_json(), name, note, limit)


def altair_chart(value: Any, name: str, limit: SizeLimit) -> Content:
    """A chart of altair; where it cannot be drawn (that takes vl-convert), its specification."""
    drawn = io.BytesIO()
    try:
        value.save(drawn, format="png", scale_factor=2)
    except Exception as error:  # vl-convert is missing, or the chart is not whole
        note = f"{name}: sent as its specification, not as an image: altair draws with vl-convert-python "
        return _specification(value.to_json(), name, f"{note}({_first_line(error)}).", limit)
    return image_bytes(drawn.getvalue(), name)


def _specification(text: str, name: str, note: str, limit: SizeLimit) -> Content:
    shown, left_out = cut_middle(text, limit)
    notes = [note, f"{name}: {left_out:,} characters of it left out."] if left_out else [note]
    return Content.of_text(f"{name}, a chart as JSON:\n{fenced(shown, 'json')}", *notes, is_block=True)


def _part(data: bytes, kind: str) -> ImagePart:
    return ImagePart(f"data:image/{kind};base64,{base64.b64encode(data).decode()}")


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    saved = io.BytesIO()
    image.save(saved, kind, **options)
    return saved.getvalue()


def _true_color(image: Image.Image) -> Image.Image:
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    return image.convert("RGBA" if has_alpha else "RGB")


def _on_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    image = _true_color(image)
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _first_line(error: Exception) -> str:
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return line[:120].rstrip(".")


_IMAGES = ("png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff", "ico", "avif")
_SOUNDS = {"aif": "aiff", **{each: each for each in ("wav", "mp3", "flac", "m4a", "ogg", "aac", "aiff")}}
_VIDEOS = {"mp4": "mp4", "mpeg": "mpeg", "mpg": "mpeg", "mov": "mov", "webm": "webm"}
_LANGUAGES = {"py": "python", "js": "javascript", "ts": "typescript", "md": "markdown", "yml": "yaml", "txt": "text"}
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"%PDF-", "pdf"),
    (b"ID3", "mp3"),
    (b"fLaC", "flac"),
    (b"OggS", "ogg"),
    (b"\x1aE\xdf\xa3", "webm"),
)
_OUTPUT = SizeLimit(tokens=500)  # of one output of a notebook's cell


def file_content(path: Path, limit: SizeLimit) -> Content:
    """A file by its path, whole.

    Raises:
        CommandError: it cannot be read, or is larger than a request may be.
    """
    path = path.expanduser()
    try:
        if path.is_dir():
            raise CommandError(f"{path} is a folder. Name a file in it.")
        if path.stat().st_size > LARGEST_BODY:
            raise CommandError(
                f"{path.name} has {path.stat().st_size / 1e6:,.0f} MB; a request may have "
                f"{LARGEST_BODY / 1e6:,.0f} MB. Nothing was sent."
            )
        return named_bytes(path.read_bytes(), path.name, limit)
    except FileNotFoundError:
        raise CommandError(f"There is no file {str(path)!r} here. {_near(path)}".rstrip()) from None
    except OSError as error:
        raise CommandError(f"{path.name} cannot be read: {error.strerror}.") from None


def named_bytes(data: bytes, name: str, limit: SizeLimit) -> Content:
    """What a file of that name holds.

    Raises:
        CommandError: it is an image that cannot be read.
    """
    kind = _kind(data) or Path(name).suffix.lower().lstrip(".")
    if kind == "ipynb":
        return _notebook(data, name)
    if (part := _medium(data, kind, name)) is not None:
        return part if isinstance(part, Content) else Content((part,))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Content((FilePart(name, _address(data, "application/octet-stream")),))
    return Content.of_text(f"{name}:\n{fenced(text, _LANGUAGES.get(kind, kind))}", is_block=True)


def raw_bytes(data: Any, name: str, limit: SizeLimit) -> Content:
    """Bytes whose kind their beginning tells.

    Raises:
        CommandError: it does not.
    """
    data = bytes(data)
    kind = _kind(data)
    if kind is None:
        raise CommandError(
            f"{name} is {len(data):,} bytes of no kind that is known here: images, PDF, sounds and films are. "
            "Nothing was sent. Write it into a file, and send that by --file."
        )
    part = _medium(data, kind, f"{name}.{kind}" if name.isidentifier() else f"file.{kind}")
    return part if isinstance(part, Content) else Content((part,) if part is not None else ())


def web_address(url: str) -> Content:
    """An image, PDF or video by its https address; the service fetches it.

    Raises:
        CommandError: it is no such address.
    """
    parts = urlsplit(url)
    kind = parts.path.rpartition(".")[2].lower()
    if parts.scheme != "https" or not parts.netloc:
        raise CommandError(f"{url[:100]!r} is no https address, which is all that services fetch.")
    if kind in _SOUNDS:
        raise CommandError("Sounds are not fetched by services: download it, and name the file.")
    if kind == "pdf":
        return Content((FilePart(parts.path.rpartition("/")[2], url),))
    return Content((VideoPart(url) if kind in _VIDEOS else ImagePart(url),))


def _medium(data: bytes, kind: str, name: str) -> Part | Content | None:
    """The part of a file that is no text; None where it is neither image, PDF, sound nor video."""
    if kind in _IMAGES:
        return image_bytes(data, name)
    if kind == "pdf":
        return FilePart(name, _address(data, "application/pdf"))
    if kind in _SOUNDS:
        return SoundPart(base64.b64encode(data).decode(), _SOUNDS[kind])
    return VideoPart(_address(data, f"video/{_VIDEOS[kind]}")) if kind in _VIDEOS else None


def _kind(data: bytes) -> str | None:
    head = data[:12]
    if head[:4] == b"RIFF":
        return {b"WAVE": "wav", b"WEBP": "webp"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return {b"M4A ": "m4a", b"avif": "avif", b"qt  ": "mov"}.get(head[8:12], "mp4")
    if head[:1] == b"\xff" and head[1:2] in (b"\xfb", b"\xf3", b"\xf2"):
        return "mp3"
    return next((kind for beginning, kind in _BEGINNINGS if head.startswith(beginning)), None)


def _address(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _notebook(data: bytes, name: str) -> Content:
    """A notebook as its cells and their outputs; a note says how many images were left out."""
    try:
        cells = json.loads(data)["cells"]
        language = "python"
        blocks, images, cut = [f"{name}, a notebook of {len(cells):,} cells:"], 0, 0
        for number, cell in enumerate(cells, 1):
            kind, source = cell["cell_type"], "".join(cell["source"])
            blocks.append(f"Cell {number} ({kind}):\n{fenced(source, language if kind == 'code' else 'markdown')}")
            for output in cell.get("outputs", ()):
                text = _output_text(output)
                images += any(key.startswith("image/") for key in output.get("data", ()))
                shown, left_out = cut_middle(text, _OUTPUT)
                cut += bool(left_out)
                blocks += [f"gave:\n{fenced(shown, 'text')}"] if text.strip() else []
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CommandError(f"{name} is no notebook that can be read.") from None
    notes = [f"{name}: {images:,} images in its outputs were left out."] if images else []
    notes += [f"{name}: {cut:,} long outputs were cut."] if cut else []
    return Content.of_text("\n\n".join(blocks), *notes, is_block=True)


def _output_text(output: dict[str, Any]) -> str:
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    return "".join(output.get("text") or output.get("data", {}).get("text/plain") or "")


def _near(path: Path) -> str:
    names = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = nearest(path.name, names, cutoff=0.5)
    return f"Did you mean {near}?" if near else ""
