"""A log over the whole screen: followed while its end is seen, folded or not, searched."""

from __future__ import annotations

import asyncio

from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from pb.debug.terminal import paint
from pb.debug.terminal.source import Source
from pb.debug.terminal.table import Thing, cut, folded
from pb.debug.terminal.words import clock, harmless, instant
from pb.errors import PbError

Line = tuple[int, str, str]
"""The logical offset of a line, when it was written (where that is known), its text."""

KEPT = 5_000
"""Lines that are held; of a longer log the newest."""

AT_ONCE = 2000
"""Lines that are asked for first."""

EVERY = 0.5
"""Seconds between two looks at a log that grows."""

SIDEWAYS = 8
WHEEL = 3


class LogView(Widget, can_focus=True):
    """The log of ``thing``; None while none is shown."""

    DEFAULT_CSS = """
    LogView { height: 1fr; text-wrap: nowrap; text-overflow: clip; }
    """

    class Changed(Message):
        """There is more of it, or it is shown otherwise."""

    def __init__(self, source: Source, *, plain: bool = False) -> None:
        super().__init__(classes="gone")
        self._source = source
        self._plain = plain
        self.thing: Thing | None = None
        self._begin()

    def _begin(self) -> None:
        self.lines: list[Line] = []
        self.next: int | None = None
        self.follows, self.folds, self.times = True, True, False
        self.is_over = False
        self.top = self.left = 0
        self.needle = ""
        self.said = ""
        self._shown: list[str] | None = None
        self._width = 0

    def open(self, thing: Thing) -> None:
        """Show the end of its log, and what comes."""
        self.thing = thing
        self._begin()
        self.remove_class("gone")
        self.focus()
        self.run_worker(self._follow(thing), group="log", exclusive=True)

    def close(self) -> None:
        self.thing = None
        self.add_class("gone")

    async def _follow(self, thing: Thing) -> None:
        while self.thing == thing and not self.is_over:
            try:
                self.take(await self._source.log(thing, AT_ONCE, self.next))
            except PbError as error:
                self.said, self.is_over = harmless(error.message), True
                self._changed()
            self.post_message(self.Changed())
            await asyncio.sleep(EVERY)

    def take(self, piece: dict[str, object]) -> None:
        """What came since, or all of it anew when the log went on without us."""
        found = piece["lines"]
        assert isinstance(found, list)
        came = [(one["offset"], stamp(one["at"]), harmless(one["text"])) for one in found]
        if not piece["follows"]:
            self.lines = []
        elif came:  # a line that was not whole is told again
            while self.lines and self.lines[-1][0] >= came[0][0]:
                self.lines.pop()
        self.lines = [*self.lines, *came][-KEPT:]
        self.next = int(str(piece["next"])) if piece["exists"] else None
        self.is_over = bool(piece["ended"])
        self.said = "" if self.lines else "It has written nothing yet."
        if came or not piece["follows"]:
            self._changed()

    def search(self, needle: str) -> None:
        """Show only the lines with ``needle`` in them."""
        self.needle = needle.casefold()
        self.top = 0
        self._changed()

    def _changed(self) -> None:
        self._shown = None
        self.refresh()

    # -- drawing

    def told(self) -> list[str]:
        """All lines as they stand on the screen: found, stamped, folded."""
        if self._shown is None or self._width != self.size.width:
            self._width = self.size.width
            told = [f"{at} {text}" if self.times else text for _, at, text in self.lines
                    if self.needle in text.casefold()]  # fmt: skip
            if self.folds:
                told = [part for text in told for part in folded(text, max(10, self._width))]
            self._shown = told
        return self._shown

    def render(self) -> RenderResult:
        shown, height = self.told(), self.size.height
        last = max(0, len(shown) - height)
        self.top = last if self.follows else min(self.top, last)
        lines = shown[self.top : self.top + height]
        if not lines:
            said = "No line has it." if self.needle and self.lines else self.said
            return self._line(f" {said}", "still")
        start = 0 if self.folds else self.left
        return Content("\n").join(self._line(cut(text[start:], self.size.width)) for text in lines)

    def _line(self, text: str, tone: str = "") -> Content:
        return paint.line([(text, tone)], self.size.width, plain=self._plain)

    # -- keys

    @property
    def offers(self) -> list[tuple[str, str]]:
        follow = ("f", "stay" if self.follows else "follow")
        fold = ("w", "cut lines" if self.folds else "fold lines")
        return [("Esc", "back"), follow, fold, ("t", "times"), ("/", "find"), ("?", "keys")]

    @property
    def remark(self) -> str:
        assert self.thing is not None
        live = "follows" if self.follows and not self.is_over else ""
        needle = f"/{self.needle}" if self.needle else ""
        name = f"{self.thing.kind} {self.thing.name}".removeprefix("builtin ")
        return harmless("  ".join(part for part in (needle, f"log of {name}", live) if part))

    def scroll_lines(self, by: int) -> None:
        last = max(0, len(self.told()) - self.size.height)
        self.top = max(0, min(self.top + by, last))
        self.follows = by > 0 and self.top == last
        self._told()

    def _told(self) -> None:
        self.refresh()
        self.post_message(self.Changed())

    def key_down(self) -> None:
        self.scroll_lines(1)

    def key_up(self) -> None:
        self.scroll_lines(-1)

    key_j, key_k = key_down, key_up

    def key_pagedown(self) -> None:
        self.scroll_lines(self.size.height - 1)

    def key_pageup(self) -> None:
        self.scroll_lines(1 - self.size.height)

    key_space = key_pagedown

    def key_home(self) -> None:
        self.top, self.follows = 0, False
        self._told()

    def key_end(self) -> None:
        self.follows = True
        self._told()

    key_g, key_upper_g = key_home, key_end

    def key_f(self) -> None:
        self.follows = not self.follows
        self._told()

    def key_w(self) -> None:
        self.folds, self.left = not self.folds, 0
        self._changed()
        self._told()

    def key_t(self) -> None:
        self.times = not self.times
        self._changed()
        self._told()

    def key_right(self) -> None:
        self.left += 0 if self.folds else SIDEWAYS
        self.refresh()

    def key_left(self) -> None:
        self.left = max(0, self.left - SIDEWAYS)
        self.refresh()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.scroll_lines(WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.scroll_lines(-WHEEL)


def stamp(at_ms: object) -> str:
    """The wall clock by which a line was written; as wide where nobody knows."""
    if not isinstance(at_ms, int):
        return " " * 8
    return clock(instant(at_ms))
