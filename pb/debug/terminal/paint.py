"""Tones as styles of the terminal's own colours, and lines of text as Textual draws them."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from pb.debug.terminal.words import BAD, BUSY, GOOD, PLAIN, STILL, WARN

STYLES = {
    GOOD: "ansi_green",
    WARN: "ansi_yellow",
    BAD: "ansi_red",
    BUSY: "ansi_cyan",
    STILL: "dim",
    "head": "bold",
}
"""Without colour (NO_COLOR) what is left is bold, dim and reverse; signs and words say the rest."""

CHOSEN = "reverse"


def style_of(tone: str) -> str:
    """``tone`` may be several words, each a tone."""
    return " ".join(STYLES.get(word, word) for word in tone.split())


def line(pieces: Iterable[tuple[str, str]], room: int, *, style: str = "", plain: bool) -> Content:
    """Texts with their tones as one line, padded to the width when it is chosen."""
    parts = [
        (text.translate(PLAIN) if plain and not text.isascii() else text, style_of(tone))
        for text, tone in pieces
    ]
    content = Content.assemble(*parts)
    if not style:
        return content
    return content.without_spans.extend_right(max(0, room - content.cell_length)).stylize(style)
