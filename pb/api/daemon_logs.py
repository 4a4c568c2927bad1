"""How the settings want a daemon to log, in the words of ``pb.process``."""

from __future__ import annotations

from pb.config.settings import Settings
from pb.process.daemon_log import LogChoice


def log_choice(settings: Settings) -> LogChoice:
    logs = settings.logs
    return LogChoice(
        level=logs.level,
        format=logs.format,
        system=logs.system,
        socket=logs.socket,
        syslog_format=logs.syslog_format,
    )
