"""pb: a rootless service manager and job scheduler.

Nothing lives here but the version; importing ``pb`` must stay free of cost. ``Scheduler`` and
``job``, the Python API, are imported from ``pb.embedded`` when somebody asks for them.
"""

TYPE_CHECKING = False
"""For type checkers, who go by its name; importing typing would cost more than all else here."""

if TYPE_CHECKING:
    from pb.embedded import Scheduler as Scheduler
    from pb.embedded import job as job

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name in ("Scheduler", "job"):
        # By its name: to the import law `pb` itself is below every room.
        from importlib import import_module

        found: object = getattr(import_module("pb.embedded"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'pb' has no attribute {name!r}")
