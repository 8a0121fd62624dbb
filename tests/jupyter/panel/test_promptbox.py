"""The prompt box without a page: what it does with messages, and what it believes of a file."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from comm.base_comm import BaseComm
from PIL import Image

from or_magic.errors import CommandError
from or_magic.jupyter.panel.promptbox import (
    ATTACHMENTS_MAX,
    EACH_BYTES,
    GIVEN_UP_S,
    NAMES_MAX,
    RECALLED_MAX,
    Attachment,
    PromptBox,
    UploadBuffer,
    inert,
)
from or_magic.prompt.template import Expression, parse

ID = "0123456789abcdef"


class PageComm(BaseComm):
    """The page's end: keeps what is published, and leaves the note that ipykernel 7.4 leaves."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []
        super().__init__(target_name="jupyter.widget")

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any) -> None:
        self.published.append(data or {})
        self._reply_subshell_id = None


class PanelPage:
    """A page that talks to a prompt box of its own, and what the box's callbacks were told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.comm = PageComm()
        self.box = PromptBox(
            comm=self.comm,
            on_send=lambda text, files: self.told.append(("send", text, files)),
            on_stop=lambda: self.told.append(("stop",)),
            on_draft=lambda text: self.told.append(("draft", text)),
            on_names=lambda request, prefix: self.told.append(("names", request, prefix)),
            on_cancel=lambda: self.told.append(("cancel",)),
        )

    def say(self, message: object, *buffers: bytes) -> None:
        data = {"method": "custom", "content": message}
        self.comm.handle_msg({"content": {"data": data}, "buffers": [memoryview(each) for each in buffers]})

    def give(self, content: bytes, *, file: str = ID, name: str = "a.bin", mime: str = "", thumb: str = "") -> None:
        """A whole file, in pieces of 1 MB."""
        about = {"name": name, "size": len(content), "mime": mime, "thumb": thumb}
        self.say({"do": "begin", "n": 1, "file": file, **about})
        for at in range(0, len(content), 1_000_000):
            self.say({"do": "piece", "n": 2, "file": file, "at": at}, content[at : at + 1_000_000])

    def heard(self) -> list[dict[str, Any]]:
        """The box's own messages, those of traits left out."""
        return [each["content"] for each in self.comm.published if each.get("method") == "custom"]


@pytest.fixture
def page() -> PanelPage:
    return PanelPage()


def picture(kind: str = "PNG", side: int = 40) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((side, side), 50).save(stream, kind)
    return stream.getvalue()


def address(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def test_every_message_is_acknowledged_first(page: PanelPage) -> None:
    """The number of a message comes back before anything else is said."""
    page.say({"do": "remove", "n": 41, "file": ID})
    page.say({"do": "something else", "n": 42})

    assert [each["n"] for each in page.heard() if each["do"] == "got"] == [41, 42]
    assert page.heard()[0] == {"do": "got", "n": 41}


@pytest.mark.parametrize(
    "message",
    [None, "send", {}, {"do": "send"}, {"do": "send", "n": "1", "text": "x"}, {"do": "send", "n": 1, "text": 5}],
)
def test_what_is_no_message_is_dropped(page: PanelPage, message: object) -> None:
    """What does not have the shape of a message calls nobody, and raises nothing."""
    page.say(message)

    assert page.told == []


def test_after_each_publish_the_box_can_be_heard(page: PanelPage) -> None:
    """The note by which ipykernel would let the box wait for the cell's end is gone after a trait, and a message."""
    page.box.notice = "there"
    has_note_after_trait = "_reply_subshell_id" in vars(page.comm)
    page.box.offer(1, [])

    assert not has_note_after_trait
    assert "_reply_subshell_id" not in vars(page.comm)


def test_a_prompt_takes_its_files_along(page: PanelPage) -> None:
    """Send tells the text and the files, which the box then no longer holds."""
    content = bytes(range(256)) * 10_000
    page.give(content, name="data.csv", mime="text/csv")
    page.say({"do": "send", "n": 3, "text": "What is in it? \u2028"})

    (_, text, files), *_ = (each for each in page.told if each[0] == "send")
    assert text == "What is in it? \u2028"
    assert [(each.name, each.size, each.mime, each.data) for each in files] == [
        ("data.csv", len(content), "text/csv", content)
    ]
    assert page.box.attachments == []
    assert page.box._uploads.held_bytes == 0


def test_half_a_letter_is_no_error(page: PanelPage) -> None:
    """Half of a surrogate pair, which no message can carry back, becomes a question mark."""
    page.say({"do": "send", "n": 1, "text": "a\ud83db"})
    page.comm.handle_msg({"content": {"data": {"method": "update", "state": {"draft": "\ud83d"}}}, "buffers": []})
    page.box.notice = "\udc00"

    assert page.told[0] == ("send", "a?b", ())
    assert (page.box.draft, page.box.notice) == ("?", "?")


def test_the_other_messages_reach_their_callbacks(page: PanelPage) -> None:
    """Stop, Cancel and the question for names call what they are for, and so does the draft."""
    page.say({"do": "stop", "n": 1})
    page.say({"do": "cancel", "n": 2})
    page.say({"do": "names", "n": 3, "request": 7, "prefix": "sa"})
    page.comm.handle_msg({"content": {"data": {"method": "update", "state": {"draft": "so"}}}, "buffers": []})

    assert page.told == [("stop",), ("cancel",), ("names", 7, "sa"), ("draft", "so")]


def test_a_draft_is_not_echoed(page: PanelPage) -> None:
    """What the page typed is not sent back to it: it would overwrite what was typed meanwhile."""
    page.comm.handle_msg({"content": {"data": {"method": "update", "state": {"draft": "so"}}}, "buffers": []})

    assert [each for each in page.comm.published if "draft" in each.get("state", {})] == []


def test_names_are_offered_in_one_line_each(page: PanelPage) -> None:
    """At most 50 names are offered, and none that has two lines or is endless."""
    names = [("a\nb", ""), ("x" * 201, ""), *((f"name_{number}", "int") for number in range(80))]
    page.box.offer(7, names)

    message = page.heard()[-1]
    assert (message["do"], message["request"]) == ("names", 7)
    assert message["names"] == [[f"name_{number}", "int"] for number in range(NAMES_MAX)]


def test_no_message_is_routed_by_its_id(page: PanelPage) -> None:
    """No message of the box has a field `id`, by which ipykernel 7.4 would choose a thread for the answer."""
    page.give(b"x" * 10)
    page.give(b"x", name="again")
    page.box.offer(1, [("a", "b")])
    page.box.put("text")

    assert {each["do"] for each in page.heard()} == {"got", "names", "put", "refused"}
    assert not any("id" in each for each in page.heard())


def test_put_fills_the_box_inert(page: PanelPage) -> None:
    """An earlier prompt comes with its files and without anything live, a prompt that comes back as it was typed."""
    file = Attachment(ID, "a.txt", 1, "text/plain", b"a")
    page.box.put("see {{ df }}", (file,))
    inert_draft, cards = page.box.draft, [each["name"] for each in page.box.attachments]
    page.box.put("see {{ df }}", is_live=True)

    assert (inert_draft, cards) == ("see \\{{ df }}", ["a.txt"])
    assert page.box.draft == "see {{ df }}"
    assert page.heard()[-1] == {"do": "put", "text": "see {{ df }}", "focus": True}


def test_clear_empties_the_box(page: PanelPage) -> None:
    """Nothing is left of the text and the files, also where the kernel does not know the text yet."""
    page.give(b"x" * 100)
    page.box.clear()

    assert (page.box.draft, page.box.attachments, page.box._uploads.held_bytes) == ("", [], 0)
    assert page.heard()[-1] == {"do": "put", "text": "", "focus": False}


def test_the_newest_prompts_are_recalled(page: PanelPage) -> None:
    """Of many earlier prompts the newest 50 are kept."""
    page.box.recall = [str(number) for number in range(70)]

    assert page.box.recall == [str(number) for number in range(20, 20 + RECALLED_MAX)]


@pytest.mark.parametrize(
    "text", ["{{ a }}", "{{{ a }}}", "{{{{", "\\{{ a }}", "a {{b}} \\{{c}} {{{{d}}}}", "{ {", "\\\\{{ a"]
)
def test_inert_text_has_no_expressions(text: str) -> None:
    """Whatever the braces, the kernel finds no expression in an inert text, and what is inert stays as it is."""
    assert not [piece for piece in parse(inert(text)) if isinstance(piece, Expression)]
    assert inert(inert(text)) == inert(text)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_pictures_are_told_by_their_bytes(page: PanelPage, kind: str) -> None:
    """What begins as a picture is shown as one, with its small picture, whatever its name."""
    thumb = address(picture())
    page.give(picture(kind), name="x.txt", thumb=thumb)

    assert [(card["kind"], card["thumb"]) for card in page.box.attachments] == [("image", thumb)]


@pytest.mark.parametrize(
    "thumb",
    [
        "https://example.com/x.png",
        "javascript:alert(1)",
        address(picture("JPEG")),
        address(picture(side=97)),
        address(picture())[:-3] + '">',
        address(picture()) + " ",
        "data:image/svg+xml;base64," + "A" * 100,
        "data:image/png;base64," + "A" * 70_000,
    ],
)
def test_small_pictures_are_looked_at(page: PanelPage, thumb: str) -> None:
    """A small picture that is no PNG of at most 96 pixels is left out."""
    page.give(picture(), name="x.png", thumb=thumb)

    assert [card["thumb"] for card in page.box.attachments] == [""]


def test_what_only_claims_to_be_a_picture_is_a_file(page: PanelPage) -> None:
    """A file that is called a picture and is none has no small picture."""
    page.give(b"<svg onload=alert(1)>", name="x.png", mime="image/png", thumb=address(picture()))

    assert [(card["kind"], card["thumb"]) for card in page.box.attachments] == [("file", "")]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.png", "a.png"),
        ("a\u202egnp.exe", "a‹U+202E›gnp.exe"),
        ("..", "file"),
        ("", "file"),
        ("\ud800.txt", "?.txt"),
        ("x" * 300 + ".pdf", "x" * 100 + "…" + "x" * 15 + ".pdf"),
    ],
)
def test_names_are_plain(page: PanelPage, name: str, kept: str) -> None:
    """A name has no folders and nothing invisible, and keeps its ending."""
    page.give(b"x", name=name)

    assert [card["name"] for card in page.box.attachments] == [kept]


def test_equal_names_are_told_apart(page: PanelPage) -> None:
    """Three pasted pictures have three names."""
    for number in range(3):
        page.give(b"x", file=f"{number:016x}", name="image.png")

    assert [card["name"] for card in page.box.attachments] == ["image.png", "image 2.png", "image 3.png"]


def test_limits_are_the_kernels_too() -> None:
    """A file that is too large, one too many, or too much together is refused with the figures."""
    inbox = UploadBuffer()
    with pytest.raises(CommandError, match=r"b\.bin has 20\.01 MB; an attachment may have 20 MB"):
        inbox.begin(ID, name="b.bin", size=EACH_BYTES + 10_000)
    with pytest.raises(CommandError, match="may have 20 MB"):
        inbox.begin(ID, name="b.bin", size=-1)
    for number in range(2):
        inbox.begin(f"{number:016x}", name="a", size=EACH_BYTES)
    with pytest.raises(CommandError, match=r"With c the attachments have 40\.01 MB; together they may have 40 MB"):
        inbox.begin(ID, name="c", size=1)
    inbox.put([Attachment(f"{number:016x}", "a", 1, "", b"a") for number in range(ATTACHMENTS_MAX)])
    with pytest.raises(CommandError, match="c is one too many; a prompt may have 10 attachments"):
        inbox.begin(ID, name="c", size=1)


@pytest.mark.parametrize("id", ["", "x" * 16, "../0123456789", ID.upper(), "0" * 33])
def test_strange_ids_are_refused(id: str) -> None:
    """A file comes under a number that the page could have made."""
    with pytest.raises(CommandError, match="Attach it again"):
        UploadBuffer().begin(id, name="a", size=1)


@pytest.mark.parametrize(("at", "piece"), [(1, b"x"), (-1, b"x"), (0, b""), (0, b"x" * 11)])
def test_a_file_that_is_not_whole_is_dropped(at: int, piece: bytes) -> None:
    """A piece in the wrong place, or one too much, ends the file, and frees what was there of it."""
    inbox = UploadBuffer()
    inbox.begin(ID, name="a.bin", size=10)

    with pytest.raises(CommandError, match=r"a\.bin did not arrive whole"):
        inbox.add(ID, at, piece)
    assert inbox.held_bytes == 0


def test_the_page_is_told_why_a_file_is_refused(page: PanelPage) -> None:
    """A piece of a file that nobody began is answered by a line for the user."""
    page.say({"do": "piece", "n": 1, "file": ID, "at": 0}, b"x")

    assert page.heard()[-1] == {"do": "refused", "file": ID, "why": "A file did not arrive whole. Attach it again."}


def test_files_of_a_page_that_left_are_freed() -> None:
    """What a page began to send, and then left, is dropped after a minute; what came whole stays."""
    now = [0.0]
    inbox = UploadBuffer(now=lambda: now[0])
    inbox.begin(ID, name="half", size=10)
    inbox.add(ID, 0, b"12345")
    inbox.begin(ID[::-1], name="whole", size=1)
    inbox.add(ID[::-1], 0, b"x")
    inbox.sweep()
    held = inbox.held_bytes
    now[0] = GIVEN_UP_S + 1
    inbox.sweep()

    assert (held, inbox.held_bytes) == (6, 1)
    assert [each.name for each in inbox.attachments] == ["whole"]


def test_a_file_is_removed_wherever_it_is(page: PanelPage) -> None:
    """Remove drops a file that is here, and one that still arrives."""
    page.give(b"x" * 10)
    page.say({"do": "begin", "n": 1, "file": ID[::-1], "name": "b", "size": 5, "mime": "", "thumb": ""})
    page.say({"do": "piece", "n": 2, "file": ID[::-1], "at": 0}, b"12")
    for file in (ID, ID[::-1]):
        page.say({"do": "remove", "n": 3, "file": file})

    assert page.box.attachments == []
    assert page.box._uploads.held_bytes == 0


def test_an_empty_file_is_a_file(page: PanelPage) -> None:
    """A file without content is here as soon as it is begun."""
    page.give(b"", name="empty.txt")

    assert [(card["name"], card["size"]) for card in page.box.attachments] == [("empty.txt", 0)]


def test_attachments_keep_their_bytes_to_themselves() -> None:
    """What a file holds does not show in its repr."""
    assert "secret" not in repr(Attachment(ID, "a", 6, "", b"secret"))


def test_a_sent_prompt_has_left_the_box(page: PanelPage) -> None:
    """Whoever is told of a prompt finds the box empty, so that one which fails can come back; the page is not told."""
    drafts: list[str] = []
    page.box._on_send = lambda text, files: drafts.append(page.box.draft)
    page.comm.handle_msg({"content": {"data": {"method": "update", "state": {"draft": "Why?"}}}, "buffers": []})

    page.say({"do": "send", "n": 1, "text": "Why?"})

    assert drafts == [""]
    assert [each for each in page.comm.published if "draft" in each.get("state", {})] == []
