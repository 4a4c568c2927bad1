"""Server-sent events out of bytes, however they are cut."""

from __future__ import annotations

import pytest

from pb.client.sse import Message, Reader

STREAM = (
    b"retry: 1000\n\n: alive\n\nid: 7\ndata: one\n\ndata: two\ndata: lines\n\n"
    b"event: end\r\ndata:bare\r\nunknown: field\r\n\r\nid: 8\ndata\n\n"
    b"data: f\xc3\xbcr\xe2\x80\xa8one\n\ndata: unfinished\n"
)
SAID = [
    Message(kind="message", text="one", id="7"),
    Message(kind="message", text="two\nlines", id="7"),
    Message(kind="end", text="bare", id="7"),
    Message(kind="message", text="", id="8"),
    Message(kind="message", text="für\u2028one", id="8"),
]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_messages_are_whole_whatever_the_pieces(size: int) -> None:
    reader = Reader()
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]

    assert [message for piece in pieces for message in reader.feed(piece)] == SAID
