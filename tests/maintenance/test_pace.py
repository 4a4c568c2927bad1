"""Work in small steps: how large they become, and that there is room between them."""

from __future__ import annotations

from pb.maintenance.pace import BREATH_SECONDS, LARGEST, SMALLEST, in_steps


class Work:
    """So much to do, at a cost for each piece, on a clock of its own."""

    def __init__(self, total: int, cost: float) -> None:
        self.left, self.cost, self.seconds = total, cost, 0.0
        self.sizes: list[int] = []
        self.rests: list[float] = []

    def step(self, size: int) -> int:
        self.sizes.append(size)
        done = min(size, self.left)
        self.left -= done
        self.seconds += done * self.cost
        return done

    def done(self) -> int:
        return in_steps(self.step, clock=lambda: self.seconds, rest=self.rests.append)


def test_steps_grow_until_they_take_their_time_and_no_longer() -> None:
    work = Work(100_000, cost=0.00003)

    assert work.done() == 100_000
    assert work.sizes[:4] == [200, 400, 800, 1000]
    assert max(work.sizes[:-1]) == 1_000


def test_what_is_slow_is_done_in_the_smallest_steps_and_what_is_quick_in_the_largest() -> None:
    slow, quick = Work(500, cost=1.0), Work(100_000, cost=0.0)

    assert (slow.done(), quick.done()) == (500, 100_000)
    assert set(slow.sizes[1:]) == {SMALLEST}
    assert max(quick.sizes) == LARGEST


def test_after_each_step_others_get_their_turn() -> None:
    work = Work(1_000, cost=0.001)
    work.done()

    assert work.rests == [BREATH_SECONDS] * (len(work.sizes) - 1)


def test_nothing_to_do_is_nothing_done() -> None:
    work = Work(0, cost=1.0)

    assert (work.done(), work.rests) == (0, [])
