"""Showing log files: the last lines, going on as they grow, several at once with a prefix each.

Reading and following across rotation is ``pb.process.logfile``'s work. What is printed here came
from elsewhere: it is made harmless, unless the exact bytes were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.cli.asked import asked, elsewhere
from pb.cli.facts import rfc3339
from pb.cli.render import clean, emit, flush, local_second, note, out, out_bytes, paint
from pb.core.lean import dataclass
from pb.errors import PbError, UsageError

if TYPE_CHECKING:
    from pb.cli.elsewhere import FarLog
    from pb.process.logfile import LogLine

    Source = tuple[str, Path | FarLog]

HELP = "Run the command with --help for its options."
Stopped = Callable[[], bool]

PREFIX_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright cyan", "bright green")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What of a log is wanted. ``since_ms`` and ``until_ms`` are epoch milliseconds."""

    lines: int | None = 50
    follow: bool = False
    since_ms: int | None = None
    until_ms: int | None = None
    grep: str | None = None
    timestamps: bool = False
    raw: bool = False


def view(
    lines: int | None,
    follow: bool,
    span: tuple[str | None, str | None],
    grep: str | None,
    timestamps: bool,
    raw: bool,
) -> View:
    """A View from a verb's options; raises UsageError for what does not go together."""
    from pb.cli.options import instant_ms

    since, until = span
    if raw and (grep is not None or timestamps or follow or any(span) or asked.as_json):
        raise UsageError("--raw copies the exact bytes, so that only -n goes with it", hint=HELP)
    if follow and until is not None:
        raise UsageError("--follow goes on where --until would end it: choose one", hint=HELP)
    return View(
        lines=lines,
        follow=follow,
        since_ms=None if since is None else instant_ms("--since", since),
        until_ms=None if until is None else instant_ms("--until", until),
        grep=grep,
        timestamps=timestamps,
        raw=raw,
    )


def show(sources: Sequence[Source], wanted: View, stopped: Stopped = lambda: False) -> int:
    """Print the logs. A file that does not exist is said, and is no failure (SPEC section 2)."""
    there = [source for source in sources if wanted.follow or source[1].exists()]
    for name, _ in (source for source in sources if not source[1].exists()):
        note(f"No log file found for {name}")
    if asked.as_json and not wanted.follow:
        _show_json(there, wanted)
    elif wanted.raw:
        for _, path in there:
            _copy_bytes(path, wanted.lines)
    elif wanted.follow:
        _follow(there, wanted, stopped)
    else:
        prefixes = prefixes_of(sources)
        for name, line in _by_time(there, wanted):
            _show_line(line, name, wanted, prefixes)
    return 0


def prefixes_of(sources: Sequence[Source], *, always: bool = False) -> dict[str, str]:
    """What stands before a line of each log: its name, in its colour; nothing where there is only
    one, unless ``always``."""
    if len(sources) < 2 and not always:
        return {}
    size = max(9, *(len(name) for name, _ in sources))
    return {name: f"{paint(f'{clean(name):<{size}} |', colour_of(name))} " for name, _ in sources}


def colour_of(name: str) -> str:
    """One of a few colours, for the same name always the same."""
    from zlib import crc32

    return PREFIX_COLOURS[crc32(name.encode()) % len(PREFIX_COLOURS)]


def _by_time(sources: Sequence[Source], wanted: View) -> Iterator[tuple[str, LogLine]]:
    """The last lines of each, woven together by time where all the times are known."""
    logs = [[(name, line) for line in _last(path, wanted)] for name, path in sources]
    is_timed = all(line.time_ms is not None for lines in logs for _, line in lines)
    if not is_timed or len(logs) < 2:
        return chain.from_iterable(logs)
    return merge(*logs, key=lambda item: item[1].time_ms or 0)


def _last(path: Path | FarLog, wanted: View) -> Iterator[LogLine]:
    if not isinstance(path, Path):
        return path.last(wanted)
    from pb.process.logfile import read_log

    return read_log(
        path,
        lines=wanted.lines,
        since_ms=wanted.since_ms,
        until_ms=wanted.until_ms,
        grep=wanted.grep,
    )


def last_lines(view: Mapping[str, Any], count: int = 5) -> tuple[str, ...]:
    """The end of a service's log; nothing where there is none, and why when it cannot be read."""
    from pb.process.logfile import read_log

    if elsewhere() is not None:
        from pb.cli.elsewhere import FarLog

        return FarLog(service=str(view["name"])).tail(count)
    path = Path(str(view["log_path"]))
    if not path.exists():
        return ()
    try:
        return tuple(line.text for line in read_log(path, lines=count))
    except (PbError, OSError) as error:
        return (f"(its log cannot be read: {error})",)


def _show_json(sources: Sequence[Source], wanted: View) -> None:
    lines = [_as_json(name, line) for name, path in sources for line in _last(path, wanted)]
    emit({"lines": lines})


def _as_json(name: str, line: LogLine) -> dict[str, object]:
    return as_json(name, line.time_ms, line.text)


def as_json(name: str, at_ms: int | None, text: str) -> dict[str, object]:
    service, _, stream = name.partition(":")
    document: dict[str, object] = {"service": service, "time": rfc3339(at_ms), "text": text}
    return {**document, "stream": stream} if stream else document


def _show_line(line: LogLine, name: str, wanted: View, prefixes: Mapping[str, str]) -> None:
    show_text(line.text, line.time_ms, name, wanted, prefixes)


def show_text(
    text: str, at_ms: int | None, name: str, wanted: View, prefixes: Mapping[str, str]
) -> None:
    """One line of the log ``name``, written at ``at_ms`` (epoch milliseconds)."""
    if asked.as_json:
        emit(as_json(name, at_ms, text), indent=None)
        return
    prefix = prefixes.get(name, "")
    if wanted.timestamps:
        prefix += f"{local_second(rfc3339(at_ms)) or '-':<19} "
    out(prefix + clean(text, keep_lines=True))


def _follow(sources: Sequence[Source], wanted: View, stopped: Stopped) -> None:
    """Print lines as they come; several logs are followed side by side, a line at a time."""
    prefixes = prefixes_of(sources)
    for name, line in _merged(sources, wanted, stopped):
        _show_line(line, name, wanted, prefixes)
        flush()


def _following(path: Path | FarLog, wanted: View, stopped: Stopped) -> Iterator[LogLine]:
    if not isinstance(path, Path):
        return path.follow(wanted)
    from pb.process.logfile import follow_log

    return follow_log(
        path, lines=wanted.lines, since_ms=wanted.since_ms, grep=wanted.grep, stopped=stopped
    )


def _merged(
    sources: Sequence[Source], wanted: View, stopped: Stopped
) -> Iterator[tuple[str, LogLine]]:
    if len(sources) == 1:
        name, path = sources[0]
        yield from ((name, line) for line in _following(path, wanted, stopped))
        return
    from queue import SimpleQueue
    from threading import Thread

    lines: SimpleQueue[tuple[str, LogLine] | Exception | None] = SimpleQueue()

    def follow_one(name: str, path: Path | FarLog) -> None:
        try:
            for line in _following(path, wanted, stopped):
                lines.put((name, line))
            lines.put(None)
        except Exception as error:  # Handed to the reading thread, which raises it there.
            lines.put(error)

    for name, path in sources:
        Thread(target=follow_one, args=(name, path), daemon=True).start()
    open_ends = len(sources)
    while open_ends:
        item = lines.get()
        if isinstance(item, Exception):
            raise item
        if item is None:
            open_ends -= 1
        else:
            yield item


def _copy_bytes(path: Path | FarLog, lines: int | None) -> None:
    """The last ``lines`` lines exactly as they were written, archives and all; None: everything."""
    from collections import deque

    if not isinstance(path, Path):
        out_bytes(path.pieces(lines))
        return
    whole = _pieces(path)
    out_bytes(whole if lines is None else deque(whole, maxlen=lines))


def _pieces(path: Path) -> Iterator[bytes]:
    """The log's lines, oldest first: from its head, its archives, and the file itself."""
    from pb.process.logfile import archives, head

    first = head(path)
    kept = [first] if first is not None else []
    for archive in [*kept, *reversed(archives(path))]:
        if archive.compressed:
            import gzip

            with gzip.open(archive.path, "rb") as packed:
                yield from packed
        else:
            with archive.path.open("rb") as plain:
                yield from plain
    with path.open("rb") as file:
        yield from file
