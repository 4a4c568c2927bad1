"""Everybody else's side of a daemon: look at it, launch it, stop it.

The daemon's own side is ``lifecycle``; this module only gathers the names.
"""

from __future__ import annotations

from pb.process.launch import launch
from pb.process.lifecycle import AlreadyRunningError
from pb.process.status import DaemonStatus, look
from pb.process.stop import StopResult, stop

__all__ = ["AlreadyRunningError", "DaemonStatus", "StopResult", "launch", "look", "stop"]
