"""How large a log may grow, and which part of it stays. Numbers only."""

from __future__ import annotations

from pb.core.lean import dataclass
from pb.errors import InvalidError

LARGEST = 2**32 - 2**20
"""A gzip file knows its content's length below 4 GiB only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationPolicy:
    """How large a log may grow (``logs`` in the configuration, SPEC section 1).

    ``max_size``: bytes of the live file at which its head goes into an archive (10 MiB; at least
    a block of the file system has to be left, so less than 8 KiB behaves like 8 KiB).
    ``keep``: how many archives (5; 0 keeps none and only cuts the head off). ``compress``: gzip
    from the second archive on. ``max_age``: seconds after which the live file goes into an archive
    although it is not full, counted from its oldest line (None: never). ``head``: the first segment
    is one of those ``keep``, and stays for good, while the middle goes (then ``keep`` is 2 at
    least). On the disk: never more than ``bound`` bytes, as long as the rotator gets the processor
    in time (a writer that starves it is not held up; then the oldest go first). Raises InvalidError
    for sizes, counts or ages that cannot be meant.
    """

    max_size: int = 10 * 1024 * 1024
    keep: int = 5
    compress: bool = True
    head: bool = False
    max_age: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.max_size <= LARGEST:
            raise InvalidError(
                f"A log's max_size of {self.max_size} bytes is out of range",
                hint="Give a size between 1 and just below 4 GiB, such as 10MiB.",
            )
        if not 0 <= self.keep <= 10_000:
            raise InvalidError(
                f"Keeping {self.keep} archives is out of range", hint="Give 0 to 10000, such as 5."
            )
        if self.max_age is not None and not self.max_age > 0:
            raise InvalidError(
                f"A log's max_age of {self.max_age:g} seconds is out of range",
                hint="Give a time such as 1d.",
            )
        if self.head and self.keep < 2:
            raise InvalidError(
                "A log that keeps its head needs two archives", hint="Give keep = 2 or more."
            )

    @property
    def bound(self) -> int:
        """The configured total plus one segment, in bytes (reliability promise I10)."""
        return self.max_size * (self.keep + 2)


def run_policy(base: RotationPolicy, max_size: int | None) -> RotationPolicy:
    """The policy of a run's log. A job that bounds it keeps its head and its newest part.

    ``max_size`` is what all of it may take on the disk; None is ``base``, the policy of every
    other log: then the numbered archives and the log are all there is, oldest first.
    """
    if max_size is None:
        return base
    # Head, one archive, the live file, and what comes while one of them is moved.
    return RotationPolicy(max_size=max(max_size // 4, 1), keep=2, compress=False, head=True)
