"""The Python API: the scheduler's own engine inside another program (``from pb import Scheduler``).

The engine, its rules and its store are the daemon's; what lives here starts it in a thread and
asks it. Nothing of the program around it is touched: no signal, directory, umask or child.
"""

from pb.embedded.declaring import job
from pb.embedded.scheduler import Scheduler

__all__ = ["Scheduler", "job"]
