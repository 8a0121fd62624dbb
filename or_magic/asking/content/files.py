"""Files, bytes and addresses as parts of a message: images, PDF, sounds, films as they are; text as text.

What a file is, is told by its first bytes, else by its ending. Kinds: openrouter.ai/docs, "Multimodal" (2026-08):
any model can be sent a PDF (the service reads it out where the model does not); sounds are never sent by address.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from or_magic.asking.content.blocks import cut_middle, fenced
from or_magic.asking.content.images import image_bytes
from or_magic.content import Content, Room
from or_magic.errors import CommandError
from or_magic.messages import FilePart, ImagePart, Part, SoundPart, VideoPart
from or_magic.openrouter.requests import LARGEST_BODY

_IMAGES = ("png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff", "ico", "avif")
_SOUNDS = {"aif": "aiff", **{each: each for each in ("wav", "mp3", "flac", "m4a", "ogg", "aac", "aiff")}}
_FILMS = {"mp4": "mp4", "mpeg": "mpeg", "mpg": "mpeg", "mov": "mov", "webm": "webm"}
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
_OUTPUT = Room(tokens=500)  # of one output of a notebook's cell


def file_content(path: Path, room: Room) -> Content:
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
        return named_bytes(path.read_bytes(), path.name, room)
    except FileNotFoundError:
        raise CommandError(f"There is no file {str(path)!r} here. {_near(path)}".rstrip()) from None
    except OSError as error:
        raise CommandError(f"{path.name} cannot be read: {error.strerror}.") from None


def named_bytes(data: bytes, name: str, room: Room) -> Content:
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


def raw_bytes(data: Any, name: str, room: Room) -> Content:
    """Bytes that say themselves what they are.

    Raises:
        CommandError: they do not.
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
    """An image, PDF or film by its https address; the service fetches it.

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
    return Content((VideoPart(url) if kind in _FILMS else ImagePart(url),))


def _medium(data: bytes, kind: str, name: str) -> Part | Content | None:
    """What is no text; None where it is neither image, PDF, sound nor film."""
    if kind in _IMAGES:
        return image_bytes(data, name)
    if kind == "pdf":
        return FilePart(name, _address(data, "application/pdf"))
    if kind in _SOUNDS:
        return SoundPart(base64.b64encode(data).decode(), _SOUNDS[kind])
    return VideoPart(_address(data, f"video/{_FILMS[kind]}")) if kind in _FILMS else None


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
    """A notebook as its cells and what they printed; images in it are left out, and said to be."""
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
    import difflib

    names = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else ""
