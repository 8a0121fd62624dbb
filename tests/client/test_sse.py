"""The splitter finds the events of a stream, however its bytes are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_magic.client.response import EventSplitter
from tests.client.recordings import Recording, chat_streams


def split(*portions: bytes) -> list[bytes]:
    splitter = EventSplitter()
    return [event for portion in portions for event in splitter.feed(portion)] + splitter.flush()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", [b"a", b"b"], id="LF"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"], id="CRLF"),
        pytest.param(b"data: a\r\rdata: b\r\r", [b"a", b"b"], id="CR"),
        pytest.param(b"data: a\r\n\ndata: b\n\r\n", [b"a", b"b"], id="mixed"),
        pytest.param(b": hello\n\ndata: a\n: there\n\n:\n\n", [b"a"], id="comments"),
        pytest.param(b"data: a\ndata: b\n\n", [b"a\nb"], id="two data lines"),
        pytest.param(b"data:a\n\ndata:  b\n\n", [b"a", b" b"], id="one blank after the colon is dropped"),
        pytest.param(b"event: x\nid: 1\nretry: 5\ndata: a\n\n", [b"a"], id="other fields"),
        pytest.param(b"data\n\n", [b""], id="data without a colon"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [b"a"], id="byte order mark"),
        pytest.param("data: a\u2028b\u0085c\n\n".encode(), ["a\u2028b\u0085c".encode()], id="U+2028 is text"),
        pytest.param(b"data: a\n\ndata: b", [b"a", b"b"], id="last newline forgotten"),
        pytest.param(b"database: a\n\n\n\n", [], id="no data"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_events_of_a_stream(stream: bytes, events: list[bytes]) -> None:
    """Each form of the standard gives the same events whole, byte by byte, and cut in two anywhere."""
    assert split(stream) == events
    assert split(*(stream[i : i + 1] for i in range(len(stream)))) == events
    for cut in range(len(stream)):
        assert split(stream[:cut], stream[cut:]) == events


@given(st.lists(st.text(alphabet=st.characters(blacklist_characters="\r\n"))), st.lists(st.integers(0, 500)), st.data())
def test_any_texts_cut_anywhere(texts: list[str], cuts: list[int], data: st.DataObject) -> None:
    """Whatever the texts, line ends and cuts: the events are the texts."""
    end = data.draw(st.sampled_from(["\n", "\r", "\r\n"]))
    stream = "".join(f": x{end}{end}data: {text}{end}{end}" for text in texts).encode("utf-8", "surrogatepass")
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]

    portions = [stream[a:b] for a, b in itertools.pairwise(edges)]

    assert split(*portions) == [text.encode("utf-8", "surrogatepass") for text in texts]


def test_a_line_of_megabytes() -> None:
    """An event of 8 MB in portions of 16 KB arrives whole; an image is one line."""
    image = b"x" * (8 << 20)
    stream = b"data: " + image + b"\n\n"

    events = split(*(stream[i : i + 16384] for i in range(0, len(stream), 16384)))

    assert events == [image]


@pytest.mark.parametrize("recording", chat_streams())
def test_recorded_streams_cut_at_every_byte(recording: Recording) -> None:
    """A recorded stream gives the same events whole, byte by byte, and cut in two at every byte."""
    body = recording.body
    whole = split(body)

    assert len(whole) > 2
    assert split(*(body[i : i + 1] for i in range(len(body)))) == whole
    assert all(split(body[:cut], body[cut:]) == whole for cut in range(len(body)))
