"""The application: which place is shown, what keys do, and how it stays current."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from textual import events
from textual.app import App, ComposeResult
from textual.widgets import Input, Static

from pb.debug.terminal import acts, lines, paint
from pb.debug.terminal.dialogs import Ask, Keys
from pb.debug.terminal.log_view import LogView
from pb.debug.terminal.places import OneJob, Place, Seen, five_views, kept, place_of
from pb.debug.terminal.source import Source
from pb.debug.terminal.table import Thing
from pb.debug.terminal.table_view import TableView
from pb.debug.terminal.words import GOOD, STILL, harmless, instant
from pb.errors import PbError

Json = dict[str, Any]

EVERY = 2.0
"""Seconds after which is looked again although nothing was heard."""

BREATH = 0.1
"""Seconds between two pictures, however much happens."""

TOLD = 6.0
"""Seconds for which is said what was done."""


class Board(App[int]):
    """One screen: tabs, what is amiss, the view, its keys. ``plain``: no signs beyond ASCII."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [("ctrl+z", "suspend_process", "Suspend")]
    CSS = """
    .line { height: 1; width: 100%; text-wrap: nowrap; text-overflow: clip; }
    #find { height: 1; border: none; padding: 0; background: ansi_default; }
    #amiss { height: auto; max-height: 3; text-wrap: wrap; }
    .gone { display: none; }
    """

    def __init__(self, source: Source, *, plain: bool = False) -> None:
        super().__init__(ansi_color=True)
        self._source = source
        self._plain = plain
        self._views = five_views()
        self._path: list[Place] = [self._views[0]]
        self._places_left: list[str] = []
        self._state: Json | None = None
        self._seen = Seen(state={}, now=0.0)
        self._away_since: str | None = None
        self._told: tuple[str, str, float] = ("", "", 0.0)
        self._heard = asyncio.Event()
        self._drawn: dict[Static, lines.Pieces] = {}

    # -- parts

    def compose(self) -> ComposeResult:
        self._tabs = Static(classes="line", markup=False)
        self._amiss = Static(id="amiss", classes="line gone", markup=False)
        self._table_view = TableView(plain=self._plain)
        self._log_view = LogView(self._source, plain=self._plain)
        self._find = Input(id="find", classes="gone", placeholder="find", compact=True)
        self._keys = Static(classes="line", markup=False)
        yield from (
            self._tabs,
            self._amiss,
            self._table_view,
            self._log_view,
            self._find,
            self._keys,
        )

    def on_mount(self) -> None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            # So that a terminal is left as it was found.
            asyncio.get_running_loop().add_signal_handler(number, self.exit, 128 + number)
        self._table_view.focus()
        self._draw()
        self.run_worker(self._listen(), exit_on_error=True)
        self.run_worker(self._look_again(), exit_on_error=True)
        self.set_interval(1.0, self._tick)

    @property
    def place(self) -> Place:
        return self._path[-1]

    @property
    def fault(self) -> BaseException | None:
        """What of ours broke, if anything did."""
        return getattr(self._exception, "error", None) or self._exception

    def _fatal_error(self) -> None:
        # Textual's own would print every local variable, and what jobs hold with them.
        self._close_messages_no_wait()

    # -- staying current

    async def _listen(self) -> None:
        """Each thing that happens is a reason to look again; the snapshot says what is."""
        async with aclosing(self._source.heard()) as heard:  # type: ignore[type-var]
            async for kind, _ in heard:
                if kind != "alive":
                    self._heard.set()

    async def _look_again(self) -> None:
        while True:
            self._heard.clear()
            await self._look()
            await asyncio.sleep(BREATH)
            try:
                await asyncio.wait_for(self._heard.wait(), EVERY)
            except TimeoutError:
                continue

    async def _look(self) -> None:
        state = kept(self._state, await self._source.state())
        tails = await self._source.tails(state["services"])
        usage = self._source.usage.curves() if self._shows_use() else self._seen.usage
        self._notice(state)
        self._state = state
        self._seen = Seen(state=state, now=time.time(), tails=tails, usage=usage)
        await self._refresh(self.place)

    async def _refresh(self, place: Place) -> None:
        await place.refresh(self._source)
        if place is self.place:
            self._draw()

    def _shows_use(self) -> bool:
        thing = self.place.thing
        return self.place is self._views[3] or (
            thing is not None and thing.kind in ("service", "builtin")
        )

    def _notice(self, state: Json) -> None:
        """Say that the scheduler went away, came back, or is another one."""
        was, now = lines.life_of(self._state), lines.life_of(state)
        if now is None:
            if was is not None:
                self._away_since = instant(state["now_ms"])
            return
        if self._state is not None and was != now:
            self._say(
                "The scheduler is back" if was is None else "The scheduler was restarted", GOOD
            )
        self._away_since = None

    def _tick(self) -> None:
        self._seen.now = time.time()
        self._draw()

    # -- drawing

    def _draw(self) -> None:
        """All of it, from what is known; nothing is asked here."""
        if self._state is not None and self._log_view.thing is None:
            self._table_view.show(self.place.listing(self._seen, self.size.width))
        self._draw_lines()

    def _draw_lines(self) -> None:
        room = self.size.width
        at = self._views.index(self._path[0]) if self._path[0] in self._views else None
        self._set(self._tabs, lines.tabs(at, self._state, time.time(), room))
        amiss = lines.amiss(self._state, self._away_since)
        self._amiss.set_class(amiss is None, "gone")
        if amiss:
            self._set(self._amiss, [(f" {amiss[0]}", f"{amiss[1]} bold")])
        self._draw_keys(room)

    def _draw_keys(self, room: int) -> None:
        text, tone, until = self._told
        if time.monotonic() < until:
            self._set(self._keys, [(f" {text}", tone)])
        elif self._log_view.thing is not None:
            self._set(self._keys, lines.keys(self._log_view.offers, room, self._log_view.remark))
        elif self._state is None:
            self._set(self._keys, [(" Asking…", STILL)])
        else:
            self._set(self._keys, lines.keys(self._offers(), room, self._remark()))

    def _set(self, line: Static, parts: lines.Pieces) -> None:
        if self._drawn.get(line) != parts:
            self._drawn[line] = parts
            line.update(paint.line(parts, self.size.width, plain=self._plain))

    def _offers(self) -> list[tuple[str, str]]:
        thing, row = self._chosen(), self._table_view.row
        opens = [("Enter", "open")] if row is not None and row.thing is not None else []
        back = [("Esc", "back")] if len(self._path) > 1 else []
        does = acts.keys_for(thing, self._document(thing))
        return [*opens, *back, *does, *self.place.keys, ("?", "keys"), ("q", "quit")]

    def _remark(self) -> str:
        remark = self._table_view.listing.remark
        needle = f"/{self.place.needle}  " if self.place.needle else ""
        return harmless(f"{needle}{remark}")

    def _say(self, text: str, tone: str = "", seconds: float = TOLD) -> None:
        self._told = (harmless(text), tone, time.monotonic() + seconds)
        self._draw_lines()

    # -- what is meant

    def _chosen(self) -> Thing | None:
        """What keys act on: the row that is chosen, else what the place is about."""
        row = self._table_view.row
        return row.thing if row is not None and row.thing is not None else self.place.thing

    def _document(self, thing: Thing | None) -> Json | None:
        if thing is None or self._state is None:
            return None
        return self.place.document(thing, self._seen) or self._seen.document(thing)

    # -- keys

    def on_key(self, event: events.Key) -> None:
        if len(self.screen_stack) > 1:
            return
        if self.focused is self._find:
            if event.key == "escape":
                self._look_for("")
                self._end_find()
            return
        where = self._log_keys() if self._log_view.thing is not None else self._place_keys()
        does = where.get(event.character or "") or where.get(event.key)
        if does is not None:
            event.stop()
            does()
        elif self._log_view.thing is None and event.character in acts.KEYS:
            event.stop()
            self._act(event.character)

    def _place_keys(self) -> dict[str, Callable[[], None]]:
        views = {str(at + 1): self._viewer(at) for at in range(len(self._views))}
        return {
            **views,
            "/": self._begin_find,
            "f": self._next_show,
            "o": self._next_order,
            "l": self._open_log,
            "?": self._show_keys,
            "q": self.exit,
            "escape": self._back,
            "backspace": self._back,
        }

    def _log_keys(self) -> dict[str, Callable[[], None]]:
        back = self._close_log
        return {"escape": back, "backspace": back, "l": back, "/": self._begin_find,
                "?": self._show_keys, "q": self.exit}  # fmt: skip

    def action_help_quit(self) -> None:
        """Ctrl-C ends it, as it ends everything else."""
        self.exit(130)

    def _show_keys(self) -> None:
        self.call_later(self.push_screen, Keys())  # the same key would close it at once

    def _viewer(self, at: int) -> Callable[[], None]:
        def go() -> None:
            self._path, self._places_left = [self._views[at]], []
            self._arrive("")

        return go

    def _arrive(self, key: str) -> None:
        """Draw what is known of the place already, then ask for the rest."""
        if self._state is not None:
            listing = self.place.listing(self._seen, self.size.width)
            self._table_view.enter(listing, key, chooses=self.place.thing is None)
        self._draw()
        self._heard.set()
        self.run_worker(self._refresh(self.place), group="arrive", exclusive=True)

    def on_table_view_opened(self, event: TableView.Opened) -> None:
        thing = event.row.thing
        if thing is not None and thing != self.place.thing:
            self._places_left.append(event.row.key)
            self._path.append(place_of(thing))
            self._arrive("")

    def on_table_view_moved(self) -> None:
        self._draw_lines()

    def _back(self) -> None:
        if self.place.needle or self.place.which:
            self.place.needle, self.place.which = "", 0
            self._arrive(self._table_view.key)
        elif len(self._path) > 1:
            self._path.pop()
            self._arrive(self._places_left.pop())

    def _next_show(self) -> None:
        if self.place.shows:
            self.place.which = (self.place.which + 1) % len(self.place.shows)
            self._arrive("")

    def _next_order(self) -> None:
        if self.place.sorts:
            self.place.order = (self.place.order + 1) % len(self.place.sorts)
            self._arrive("")

    # -- finding

    def _begin_find(self) -> None:
        if self._log_view.thing is None and not self.place.can_be_filtered:
            return
        self._find.value = (
            self._log_view.needle if self._log_view.thing is not None else self.place.needle
        )
        self._find.remove_class("gone")
        self._find.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        if not self._find.has_class("gone"):
            self._look_for(event.value)

    def _look_for(self, needle: str) -> None:
        if self._log_view.thing is not None:
            self._log_view.search(needle)
        else:
            self.place.needle = needle
        self._draw()

    def on_input_submitted(self) -> None:
        self._end_find()

    def _end_find(self) -> None:
        self._find.add_class("gone")
        (self._log_view if self._log_view.thing is not None else self._table_view).focus()
        self._draw()

    # -- logs

    def _open_log(self) -> None:
        thing = self._chosen()
        if thing is not None and thing.kind == "job":
            self.run_worker(self._open_last_log(thing), group="log", exclusive=True)
        elif thing is not None:
            self._show_log(thing)

    async def _open_last_log(self, job: Thing) -> None:
        """The log of a job is that of its last run."""
        place = self.place if isinstance(self.place, OneJob) else place_of(job)
        if not place.found:
            await place.refresh(self._source)
        last = place.last_run if isinstance(place, OneJob) else None
        if last is None:
            self._say(f"{job.name} has written nothing yet")
        else:
            self._show_log(last)

    def _show_log(self, thing: Thing) -> None:
        self._table_view.add_class("gone")
        self._log_view.open(thing)
        self._draw()

    def _close_log(self) -> None:
        self._log_view.close()
        self._table_view.remove_class("gone")
        self._table_view.focus()
        self._draw()

    def on_log_view_changed(self) -> None:
        self._draw_lines()

    # -- acting

    def _act(self, key: str) -> None:
        """Ask, do, say what came of it."""
        thing = self._chosen()
        meant = acts.meant(thing, self._document(thing), key)
        if meant is not None:
            self.run_worker(self._ask(*meant))

    async def _ask(self, act: acts.Act, thing: Thing) -> None:
        name = harmless(thing.name)
        if not await self.push_screen_wait(Ask(act.ask.format(name), act.text, act.word)):
            return
        self._say(act.doing.format(name), seconds=120)
        try:
            answer = await self._source.ask(act.method, **act.params(thing))
        except PbError as error:
            self._say(f"✗ {error.message}. {error.hint or ''}", "bad", 2 * TOLD)
            return
        refused = acts.refusal(answer)
        self._say(
            f"✗ {refused}" if refused else f"✓ {act.done.format(name)}", "bad" if refused else GOOD
        )
        self._heard.set()
