"""Services beside those who keep them: start, stop, memory, idleness, status, and a kill."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import measure
from tests.benchmarks.keepers import Keeper, available
from tests.benchmarks.measure import median
from tests.benchmarks.report import Row

GOALS = {
    ("all running", 100): "<= 0.5 of circus",
    ("all stopped", 100): "<= 0.8 of supervisor",
    ("all running", 1000): "<= 0.35 of pm2",
    ("memory", 1000): "<= 38",
    ("idle", 100): "<= 5",
    ("idle", 1000): "<= 20",
    ("status", 100): "<= 0.75 of supervisor",
    ("status", 1000): "<= 0.1 of supervisor",
}


def keeping(folder: Path, count: int, seconds: float, kills: int, *, alone: bool) -> list[Row]:
    """Everything about so many services, one manager after the other."""
    kinds, words = available(folder / str(count), alone=alone)
    figures: dict[str, dict[str, float]] = {}
    for number, kind in enumerate(kinds):
        keeper = kind(folder / str(count) / kind.name, 90_000 + count + number)
        keeper.home.mkdir(parents=True)
        keeper.prepare()
        try:
            keeper.open(count)
            for what, value in measured(keeper, count, seconds, kills).items():
                figures.setdefault(what, {})[keeper.name] = value
        except RuntimeError as error:
            words.append(f"{keeper.name} with {count} services: not measured: {error}")
        finally:
            keeper.close()
    rows = [
        Row(f"{count} services: {label(what)}", values, goal=GOALS.get((what, count)))
        for what, values in figures.items()
    ]
    return [*rows, *(Row(word, {}) for word in words)]


def label(what: str) -> str:
    units = {"memory": "memory (RSS), MB", "idle": "idle CPU, ms a minute"}
    return units.get(what, f"{what}, ms")


def measured(keeper: Keeper, count: int, seconds: float, kills: int) -> dict[str, float]:
    """All figures of one manager, which is open and has started nothing but the probe."""
    measure.until(lambda: keeper.probed() > 0)
    found = {"all running": moved(keeper, keeper.start, count)}
    measure.pause(min(3.0, seconds))
    found["memory"] = sum(measure.memory(pid).rss for pid in keeper.pids())
    found["idle"] = idle(keeper, seconds)
    rounds = max(1, kills // 3)
    found["status"] = median(
        [measure.timed(keeper.status, keeper.environment, fails=True) for _ in range(rounds)]
    )
    found["kill -9 to the successor's first word"] = median(
        [successor(keeper) for _ in range(kills)]
    )
    found["all stopped"] = moved(keeper, keeper.stop, 0)
    return found


def moved(keeper: Keeper, command: Callable[[], None], count: int) -> float:
    """Milliseconds from the command's beginning until so many run; it may return later."""
    asking = threading.Thread(target=command)
    asking.start()
    took = measure.until(lambda: keeper.running() == count, timeout=180, interval=0.02)
    asking.join()
    return took


def idle(keeper: Keeper, seconds: float) -> float:
    before = sum(measure.cpu_ms(pid) for pid in keeper.pids())
    measure.pause(seconds)
    return (sum(measure.cpu_ms(pid) for pid in keeper.pids()) - before) * 60 / seconds


def successor(keeper: Keeper) -> float:
    """Milliseconds from a kill until the next one has written down when it began."""
    measure.until(lambda: keeper.probed() > 0)
    pid, before = keeper.probed(), len(keeper.mark.read_text().split())
    killed = time.time()
    os.kill(pid, signal.SIGKILL)
    measure.until(lambda: len(keeper.mark.read_text().split()) > before, interval=0.002)
    return (float(keeper.mark.read_text().split()[-1]) - killed) * 1000
