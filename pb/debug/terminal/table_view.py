"""The list that every view is shown in: draws what is visible, keeps what was chosen."""

from __future__ import annotations

from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.widget import Widget

from pb.debug.terminal import paint
from pb.debug.terminal.table import Cell, Listing, Row, cut, pieces, widths

Line = tuple[list[tuple[str, str]], bool]
"""Texts with their tones, and whether it is the chosen one."""

NOTHING = Listing(columns=(), items=())
WHEEL = 3
"""Lines of one turn of the wheel."""


class TableView(Widget, can_focus=True):
    """Rows, of which one is chosen; its keys move, Enter opens."""

    DEFAULT_CSS = """
    TableView { height: 1fr; text-wrap: nowrap; text-overflow: clip; }
    """

    class Opened(Message):
        """Enter, or a click on what was chosen already."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    class Moved(Message):
        """Another row is chosen."""

    def __init__(self, *, plain: bool = False) -> None:
        super().__init__()
        self._plain = plain
        self.listing = NOTHING
        self.at: int | None = None
        self.top = 0
        self.chooses = True
        self._picture: list[Line] = []
        self.key = ""

    # -- what is shown

    def enter(self, listing: Listing, key: str, *, chooses: bool) -> None:
        """Begin anew, at ``key``; ``chooses``: there is always a row chosen where there is one."""
        self.at, self.top, self.key, self.chooses = None, 0, key, chooses
        self.show(listing)

    def show(self, listing: Listing) -> None:
        """Show ``listing``; what was chosen stays so, wherever it is now."""
        self.listing = listing
        before, self.at = self.at, self._place_of(self.key)
        if self.at is None and (self.chooses or before is not None):
            self.at = self._nearest(self.top if before is None else before)
        self._settle()
        self._redraw()

    @property
    def row(self) -> Row | None:
        """The row that is chosen."""
        if self.at is None or self.at >= len(self.listing.items):
            return None
        return self.listing.make(self.listing.items[self.at])

    @property
    def has_head(self) -> bool:
        return any(column.title for column in self.listing.columns)

    @property
    def rows_visible(self) -> int:
        return max(1, self.size.height - self.has_head)

    def _place_of(self, key: str) -> int | None:
        if not key:
            return None
        key_of = self.listing.key
        return next((at for at, one in enumerate(self.listing.items) if key_of(one) == key), None)

    def _nearest(self, at: int) -> int | None:
        """The row that can be chosen at ``at``, or after it, or before it."""
        count, key_of = len(self.listing.items), self.listing.key
        after = range(min(at, count), count)
        before = range(min(at, count) - 1, -1, -1)
        return next((one for one in (*after, *before) if key_of(self.listing.items[one])), None)

    def _settle(self) -> None:
        """The chosen row inside the window, the window inside the list."""
        visible = self.rows_visible
        if self.at is not None:
            self.key = self.listing.key(self.listing.items[self.at])
            self.top = min(max(self.top, self.at - visible + 1), self.at)
        self.top = max(0, min(self.top, len(self.listing.items) - visible))
        if (
            self.at is not None
            and self.at < visible
            and not any(self.listing.key(one) for one in self.listing.items[: self.at])
        ):
            self.top = 0  # what stands above the first that can be chosen is seen as well

    # -- drawing

    def _redraw(self) -> None:
        """Draw the lines that have changed: what is shown each second shall cost a terminal at the
        other end of a wire no more than that."""
        before, after = self._picture, self._pictured()
        changed = [at for at, one in enumerate(after) if at >= len(before) or before[at] != one]
        if len(before) != len(after):
            self.refresh()
        elif changed:
            self.refresh(*(Region(0, at, self.size.width, 1) for at in changed))

    def _pictured(self) -> list[Line]:
        """What is to be seen now, line by line."""
        width, height = self.size
        listing = self.listing
        sizes = widths(listing.columns, width, listing.longest)
        picture: list[Line] = []
        if self.has_head:
            titles = [Cell(column.title, "head") for column in listing.columns]
            picture.append((list(pieces(titles, listing.columns, sizes)), False))
        if not listing.items:
            picture.append(([(f" {listing.empty}", "still")], False))
        for at in range(self.top, min(len(listing.items), self.top + height - len(picture))):
            row = listing.make(listing.items[at])
            picture.append((self._pieces(row, sizes, width), at == self.at))
        return picture

    def render(self) -> RenderResult:
        self._picture = self._pictured()
        room = self.size.width
        return Content("\n").join(
            paint.line(parts, room, style=paint.CHOSEN if is_chosen else "", plain=self._plain)
            for parts, is_chosen in self._picture
        )

    def _pieces(self, row: Row, sizes: tuple[int, ...], width: int) -> list[tuple[str, str]]:
        if row.spans:
            cell = row.cells[0]
            return [(" " * row.indent, ""), (cut(cell.text, width - row.indent), cell.tone)]
        return list(pieces(row.cells, self.listing.columns, sizes))

    # -- moving

    def move(self, by: int) -> None:
        """To the next row that can be chosen; by one line where none of them is in sight."""
        step = 1 if by > 0 else -1
        for _ in range(abs(by)):
            following = self._following(step)
            if following is None:
                self._scroll(step)
            else:
                self.at = following
                self._settle()
        self._redraw()
        self.post_message(self.Moved())

    def _following(self, step: int) -> int | None:
        items, key_of, visible = self.listing.items, self.listing.key, self.rows_visible
        start = (
            self.at if self.at is not None else (self.top - 1 if step > 0 else self.top + visible)
        )
        at = start + step
        while 0 <= at < len(items) and self.top - 1 <= at <= self.top + visible:
            if key_of(items[at]):
                return at
            at += step
        return None

    def _scroll(self, by: int) -> None:
        visible = self.rows_visible
        self.top = max(0, min(self.top + by, len(self.listing.items) - visible))
        if self.at is not None and not self.top <= self.at < self.top + visible:
            self.at = None
            self.key = ""

    def jump(self, to_end: bool) -> None:
        count = len(self.listing.items)
        self.at = self._nearest(max(0, count - 1) if to_end else 0)
        self.top = count if to_end else 0
        visible = self.rows_visible
        self.top = max(0, min(self.top, count - visible))
        if self.at is not None and not self.top <= self.at < self.top + visible:
            self.at = None
        self.key = self.listing.key(self.listing.items[self.at]) if self.at is not None else ""
        self._redraw()
        self.post_message(self.Moved())

    def key_down(self) -> None:
        self.move(1)

    def key_up(self) -> None:
        self.move(-1)

    key_j, key_k = key_down, key_up

    def key_pagedown(self) -> None:
        self.move(self.rows_visible - 1)

    def key_pageup(self) -> None:
        self.move(1 - self.rows_visible)

    key_space = key_pagedown

    def key_home(self) -> None:
        self.jump(to_end=False)

    def key_end(self) -> None:
        self.jump(to_end=True)

    key_g, key_upper_g = key_home, key_end

    def key_enter(self) -> None:
        row = self.row
        if row is not None and row.thing is not None:
            self.post_message(self.Opened(row))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._scroll(WHEEL)
        self._redraw()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._scroll(-WHEEL)
        self._redraw()

    def on_click(self, event: events.Click) -> None:
        at = self.top + event.y - self.has_head
        if not 0 <= at < len(self.listing.items) or not self.listing.key(self.listing.items[at]):
            return
        if at == self.at:
            self.key_enter()
            return
        self.at = at
        self._settle()
        self._redraw()
        self.post_message(self.Moved())

    def on_resize(self) -> None:
        self._settle()
