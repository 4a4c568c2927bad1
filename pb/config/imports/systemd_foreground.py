"""How programs that daemonize are kept in the foreground, where their unit is of Type=forking."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Change = Callable[[list[str]], list[str]]


def with_switch(*words: str) -> Change:
    """The command with the words that keep it in the foreground, unless they are there."""
    return lambda argv: argv if set(words) <= set(argv) else [argv[0], *words, *argv[1:]]


def nginx(argv: list[str]) -> list[str]:
    swapped = [word.replace("daemon on;", "daemon off;") for word in argv]
    is_off = any("daemon off;" in word for word in swapped)
    return swapped if is_off else [*swapped, "-g", "daemon off;"]


FOREGROUND: Mapping[str, Change] = {
    "nginx": nginx,
    "sshd": with_switch("-D"),
    "cron": with_switch("-f"),
    "crond": with_switch("-n"),
    "atd": with_switch("-f"),
    "apache2": with_switch("-D", "FOREGROUND"),
    "httpd": with_switch("-D", "FOREGROUND"),
    "haproxy": with_switch("-db"),
    "rsyslogd": with_switch("-n"),
    "named": with_switch("-f"),
    "dnsmasq": with_switch("-k"),
    "chronyd": with_switch("-n"),
    "ntpd": with_switch("-n"),
    "smbd": with_switch("-F", "--no-process-group"),
    "nmbd": with_switch("-F", "--no-process-group"),
    "lighttpd": with_switch("-D"),
    "pg_ctlcluster": with_switch("--foreground"),
    "memcached": lambda argv: [word for word in argv if word not in ("-d", "--daemon")],
}
"""Programs whose switch for staying in the foreground is known, from their manual pages."""
