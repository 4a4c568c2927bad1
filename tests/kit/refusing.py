"""A store whose commits fail, as on a full disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from pb.errors import StoreError
from tests.kit.scheduler import World


class Refusing:
    """Wraps a world's store: the next ``left`` commits fail, and those that ``fails`` says."""

    def __init__(self, world: World, fails: Callable[[], bool] = lambda: False) -> None:
        self.left = 0
        self._fails = fails
        self._real = world.store.transaction
        world.store.transaction = self._transaction  # type: ignore[method-assign]

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool = True) -> Iterator[None]:
        with self._real(durable=durable):
            yield
            if self.left > 0 or self._fails():
                self.left = max(0, self.left - 1)
                raise StoreError("the disk is full")
