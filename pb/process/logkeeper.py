"""Keeping one log bounded and timed: when to look, when to rotate, when to compress.

The scheduler's event loop calls ``check``, which is cheap; when that leaves ``due`` true, it runs
``rotate`` in a thread. How a head is taken off is ``logrotate``'s business, archives' names and
forms are ``logarchive``'s.
"""

from __future__ import annotations

import math
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pb.errors import ConflictError, InvalidError, NotFoundError, PbError
from pb.process import logarchive
from pb.process.logage import Age
from pb.process.loghole import Removal
from pb.process.logindex import MAX_SAMPLES, State, append_samples, exclusive, index_path, thinned
from pb.process.logpolicy import RotationPolicy
from pb.process.logrotate import Rotator, no_step
from pb.process.logwatch import LogWatch

SOONEST_S, LATEST_S = 0.005, 1.0
"""Bounds of the time between two looks at a log that grows."""
EXPECTED_RATE = 1 << 30
"""Bytes a second that a log may take on from one moment to the next."""
SAMPLE_EVERY_S = 0.05
BUSY_S = 0.02
RETRY_S = 5.0
"""How long a rotation that failed (a full disk, say) is left alone."""
LONGEST_S = 1.0
"""How long ``rotate`` goes on beyond its time while the log is full: a shutdown waits for it."""
HOT_S = 1.0
"""A log that fills a segment in less is hot: neither synced nor compressed while that lasts."""
CLOCK_JUMP_MS = 60_000


class LogKeeper:
    """Bounds one log and samples when its lines were written.

    ``check`` and ``rotate`` may be called from two threads; neither waits for the other. Give all
    keepers one ``watch`` and idle logs cost no wake-up at all. ``removal`` and ``step`` are the
    rotator's.
    """

    def __init__(
        self,
        path: Path,
        policy: RotationPolicy,
        *,
        watch: LogWatch | None = None,
        removal: Removal | None = None,
        step: Callable[[str], None] = no_step,
    ) -> None:
        self.path = path
        self.policy = policy
        self.due = False
        """Whether ``rotate`` has something to do."""
        self._watch = watch
        self._rotator = Rotator(path, removal=removal, step=step)
        self._state: State | None = None
        self._state_lock = threading.Lock()
        self._work_lock = threading.Lock()
        self._end = 0
        self._looked = time.monotonic()
        self._rate = 0.0
        self._growth = 0
        self._sampled_end = -1
        self._sampled = -math.inf
        self._sampled_ms = 0
        self._retry = -math.inf
        self._packing: bool | None = None
        self._hopeless: set[int] = set()
        self._age = Age(path)

    def recover(self) -> None:
        """Finish or undo a rotation that a crash interrupted; without a log, nothing.

        Call it once before the first ``check``. Raises PbError when that is impossible.
        """
        try:
            logarchive.drop_doubles(self.path)
            if not os.path.lexists(index_path(self.path)):
                self._facts()
                return  # Nobody ever looked at it, so nothing was interrupted.
            self._load(time.time_ns() // 1_000_000)
        except (FileNotFoundError, NotFoundError):
            return
        except OSError as error:
            raise self._failure(error) from error

    def arm(self) -> bool:
        """Have the next change of the log wake the event loop; False: it cannot be had."""
        return self._watch is not None and self._watch.arm(self.path)

    def close(self) -> None:
        """Stop watching; the files stay."""
        if self._watch is not None:
            self._watch.disarm(self.path)

    def check(self, now_ms: int) -> float:
        """Sample the time index and decide; the answer is the seconds until the next look.

        Infinite for a log that does not grow: the watch wakes then (call it again when it has,
        and after the log was opened anew). ``now_ms`` is the wall clock in epoch milliseconds.
        Raises InvalidError when something else than a file stands in the log's place, PbError
        when its side file cannot be written.
        """
        if not self._state_lock.acquire(blocking=False):
            return BUSY_S
        try:
            return self._check(now_ms)
        except FileNotFoundError:
            self.due = False
            return math.inf
        except OSError as error:
            raise self._failure(error) from error
        finally:
            self._state_lock.release()

    def rotate(self, linger: float = 0.2) -> int:
        """Do what is due, away from the event loop: the answer is how often the head was moved.

        Stays with a log that fills within ``linger`` seconds for that long, because going back to
        the event loop each time would let the disk grow. Raises PbError with the cause (a full
        disk, say); the log is then left alone for five seconds.
        """
        if not self._work_lock.acquire(blocking=False):
            return 0
        try:
            return self._rotate(linger)
        except (FileNotFoundError, NotFoundError, ConflictError):
            return 0
        except OSError as error:
            self._retry = time.monotonic() + RETRY_S
            raise self._failure(error) from error
        finally:
            self.due = False
            self._work_lock.release()

    def tend(self, now_ms: int) -> float:
        """``check``, and ``rotate`` at once when that is due: for callers without a loop."""
        delay = self.check(now_ms)
        if self.due:
            self.rotate(0.0)
            delay = self.check(now_ms)
        return delay

    # -- looking ------------------------------------------------------------------------------

    def _check(self, now_ms: int) -> float:
        facts = self._facts()
        if not facts.st_size and self._state is None:
            # Most runs write nothing at all: their logs get no side file.
            self.due = False
            return self._sleep(0)
        state = self._state or self._load(now_ms)
        end = state.base + facts.st_size
        if facts.st_ino != state.inode or end < self._end:
            self.close()  # The watch, if any, is on the file that was there before.
            state = self._load()
            end = state.base + facts.st_size
        grown = self._measure(end)
        calm = time.monotonic() >= self._retry
        # First of all: a full disk fails the sample, and rotation may be what makes room.
        self.due = calm and (self._is_full(end - state.start, facts) or self._may_pack(grown))
        waiting = self._sample(end, now_ms)
        young = self._age.left(self.policy.max_age, state.start, end, now_ms)
        self.due = self.due or (calm and not young)
        if grown or waiting:
            return min(self._delay(end - state.start), young or LATEST_S)
        if self._has_to_pack() or not calm:
            return LATEST_S
        return min(self._sleep(facts.st_size), young or LATEST_S)

    def _facts(self) -> os.stat_result:
        facts = os.lstat(self.path)
        if not stat.S_ISREG(facts.st_mode):
            raise InvalidError(
                f"{self.path} is not a regular file, so it is not kept",
                hint=f"Move it aside: mv {self.path} {self.path}.aside",
            )
        return facts

    def _load(self, now_ms: int | None = None) -> State:
        """Settle the log, and take over what its side file knows."""
        state = self._rotator.settle()
        with exclusive(self.path) as index:
            samples = [sample for sample in index.samples() if sample[1] >= 0]
            facts = os.stat(self.path)
            if not samples and facts.st_size and now_ms is not None:
                # Written before anybody looked: by its last modification at the latest.
                seen = min(now_ms, facts.st_mtime_ns // 1_000_000)
                samples = [(state.base + facts.st_size, seen)]
                index.append(samples)
        if samples:
            self._sampled_end, self._sampled_ms = samples[-1]
        self._state = state
        self._end = max(self._sampled_end, state.start)
        return state

    def _measure(self, end: int) -> bool:
        """Update the rate of growth; whether there is any."""
        now = time.monotonic()
        grown, passed = end - self._end, max(now - self._looked, 1e-3)
        self._rate = max(grown / passed, self._rate / 2)
        self._end, self._looked = end, now
        return grown > 0

    def _sample(self, end: int, now_ms: int) -> bool:
        """Note when the log reached its end; whether that still has to wait a moment."""
        if end <= self._sampled_end or end <= 0:
            return False
        now = time.monotonic()
        if now - self._sampled < SAMPLE_EVERY_S:
            return True
        if now_ms < self._sampled_ms - CLOCK_JUMP_MS and self._state is not None:
            self._set_back(self._state, now_ms)
        now_ms = max(now_ms, self._sampled_ms)
        if append_samples(self.path, [(end, now_ms)]) > MAX_SAMPLES and self._state is not None:
            self._thin(self._state)
        self._sampled_end, self._sampled, self._sampled_ms = end, now, now_ms
        return False

    def _set_back(self, state: State, now_ms: int) -> None:
        """The clock was set back by more than a slew: no time may lie in the future."""
        with exclusive(self.path) as index:
            held = [(place, min(at, now_ms)) for place, at in index.samples()]
            index.replace(state, held)
        self._sampled_ms = now_ms

    def _thin(self, state: State) -> None:
        with exclusive(self.path) as index:
            first = logarchive.first_offset(self.path, state.start)
            index.replace(state, thinned(index.samples(), first))

    def _fill_seconds(self) -> float:
        return self.policy.max_size / self._rate if self._rate else math.inf

    def _is_full(self, live: int, facts: os.stat_result) -> bool:
        """Less than two blocks cannot be cut: a collapse takes whole ones and leaves something."""
        return live >= max(self.policy.max_size, 2 * facts.st_blksize + 1)

    def _delay(self, live: int) -> float:
        left = max(0, self.policy.max_size - live)
        # The writer may become faster at any moment; half a segment too much does no harm.
        wanted = (left + self.policy.max_size / 2) / EXPECTED_RATE
        if self._rate:
            wanted = min(wanted, left / self._rate / 2)
        ceiling = LATEST_S if self._sampled_end >= self._end else SAMPLE_EVERY_S
        return min(max(wanted, SOONEST_S), ceiling)

    def _sleep(self, size: int) -> float:
        """Until the watch wakes; what was written before it was armed is looked for."""
        if not self.arm():
            return LATEST_S
        return math.inf if os.lstat(self.path).st_size == size else SOONEST_S

    # -- working ------------------------------------------------------------------------------

    def _rotate(self, linger: float) -> int:
        moved, deadline = 0, time.monotonic() + linger
        while True:
            while time.monotonic() < deadline + LONGEST_S and self._move():
                moved += 1
            fill = self._fill_seconds()
            if self._may_pack(False) and self._pack():
                continue
            if time.monotonic() + fill / 2 > deadline:
                return moved
            time.sleep(max(fill / 4, 0.001))

    def _move(self) -> bool:
        """Take one segment off the head if the log is full, or all of it if it is old; whether
        that went anywhere."""
        with self._state_lock:
            state = self._state or self._load()
            facts = self._facts()
            live = state.base + facts.st_size - state.start
            self._measure(state.base + facts.st_size)
            is_full, now_ms = self._is_full(live, facts), time.time_ns() // 1_000_000
            end = state.start + live
            if not is_full and self._age.left(self.policy.max_age, state.start, end, now_ms):
                return False
            after = self._take(live) if is_full else self._take_old(live, now_ms)
            self._state = after
            grown = after.base + self._facts().st_size - self._end
            self._growth = max(grown, self._growth // 2)
            self._packing = None
            return after.start > state.start

    def _take(self, live: int) -> State:
        policy, segment = self.policy, self._segment()
        outrun = live - segment
        head = segment if policy.head else 0
        sync = self._fill_seconds() > HOT_S
        # What comes while a segment is moved must find room too.
        surplus = live + max(self._growth, segment) + head - policy.bound
        if policy.keep == 0:
            surplus = live - segment // 2
        state = self._state or self._load()
        is_head = policy.head and state.start == 0
        plenty = surplus > segment // 4 and not is_head
        if plenty and self._rotator.removal is not Removal.TRUNCATE:
            # It would be shifted out of the last archive in a moment: do not even copy it.
            self._make_room(state, 0, 0)
            return self._rotator.move(surplus, archive=False, sync=sync)
        # The writer may be as fast again while the head is moved.
        places = policy.keep - (0 if self._rotator.held(segment) else 1) - (1 if head else 0)
        self._make_room(state, places, max(policy.bound - live - outrun - head, 0))
        archive = policy.keep > 0
        return self._rotator.move(segment, archive=archive, sync=sync, collapse=outrun < segment)

    def _take_old(self, live: int, now_ms: int) -> State:
        """Everything into an archive of its own."""
        policy = self.policy
        state = self._state or self._load()
        self._make_room(state, max(policy.keep - 1, 0), max(policy.bound - live, 0))
        after = self._rotator.move(live, archive=policy.keep > 0, sync=True, whole=True)
        if after.start == state.start:
            self._age.begin_anew(now_ms)
        return after

    def _make_room(self, state: State, keep: int, budget: int) -> None:
        if self.policy.head:
            logarchive.pin_head(self.path, state.start)
        logarchive.make_room(self.path, keep, budget)

    def _segment(self) -> int:
        return max(self.policy.max_size, 2 * self._facts().st_blksize)

    def _has_to_pack(self) -> bool:
        """Whether a plain archive waits for its compression."""
        if not self.policy.compress or self.policy.keep < logarchive.COMPRESSED_FROM:
            return False
        if self._packing is None:
            self._packing = self._unpacked() is not None
        return self._packing

    def _may_pack(self, grown: bool) -> bool:
        """Whether this is the moment: not while a hot log could fill up meanwhile."""
        return self._has_to_pack() and (not grown or self._fill_seconds() > HOT_S)

    def _unpacked(self) -> logarchive.Archive | None:
        for one in logarchive.archives(self.path):
            plain = one.number >= logarchive.COMPRESSED_FROM and not one.compressed
            if plain and one.path.stat().st_ino not in self._hopeless:
                return one
        return None

    def _pack(self) -> bool:
        """Compress one archive; False when there is none, or the log fills up meanwhile."""
        archive = self._unpacked()
        if archive is None:
            self._packing = False
            return False
        worth = archive.disk() // 2
        inode = archive.path.stat().st_ino
        written = 0

        def give_up(count: int) -> bool:
            nonlocal written
            written = count
            return count > worth or self._is_filling()

        done = logarchive.compress(self.path, archive, give_up)
        if not done and written > worth:
            self._hopeless.add(inode)
        self._packing = None
        return done or written > worth

    def _is_filling(self) -> bool:
        state = self._state
        if state is None:
            return False
        facts = self._facts()
        return self._is_full(state.base + facts.st_size - state.start, facts)

    def _failure(self, error: OSError) -> PbError:
        reason = (error.strerror or str(error)).lower()
        return PbError(
            f"Cannot keep the log {self.path} bounded: {reason}",
            hint=f"Make room or set its permissions right: {self.path.parent}",
        )
