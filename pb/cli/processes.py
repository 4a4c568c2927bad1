"""``pb service ps``: what the operating system says of the processes of services."""

from __future__ import annotations

from typing import Any

from pb.cli import facts, process_trees
from pb.cli.asked import asked, home, refuse_elsewhere
from pb.cli.facts import TITLES
from pb.cli.render import emit, fields, mark, out, paint, title_box
from pb.cli.service_names import Chosen

Json = dict[str, Any]


def show(who: Chosen) -> int:
    """The process details of each; exit 0 whatever they are (``status`` judges)."""
    refuse_elsewhere()  # its processes are not this machine's
    documents = [_facts(name) for name in who.builtins]
    trees = process_trees.documents(who)
    if asked.as_json:
        emit({"services": [*documents, *trees]})
        return 0
    if documents:
        for line in title_box("PonyBunny Process Information"):
            out(line)
    for document in documents:
        _block(document)
    for line in process_trees.screen(trees):
        out(line)
    return 0


def _facts(name: str) -> Json:
    status = facts.look_at(name)
    document = facts.service_facts(name, status, None)
    record = status.record if status.state == "running" else None
    process = _process(record.pid) if record else None
    return {
        **document,
        "db_path": record.db_path if record else None,
        "guardian_pid": record.supervisor_pid if record else None,
        "ports": dict(record.ports) if record else {},
        **(process or {"rss_bytes": None, "cpu_seconds": None, "threads": None, "files": None}),
    }


def _process(pid: int) -> Json | None:
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return {
                "rss_bytes": process.memory_info().rss,
                "cpu_seconds": round(times.user + times.system, 2),
                "threads": process.num_threads(),
                "files": process.num_fds(),
            }
    except psutil.Error:
        return None  # It ended between the two looks, or is not ours to look at.


def _block(document: Json) -> None:
    from pb.core.durations import format_uptime

    out(f"  {TITLES[document['name']]}:")
    if document["pid"] is None:
        out(f"    Status: {paint('Not running', 'red')} {mark('bad')}\n")
        return
    up, rss = document["uptime_seconds"], document["rss_bytes"]
    out(f"    Status: {paint('Running', 'green')} {mark('ok')}")
    fields(
        (
            ("PID", document["pid"]),
            ("Guardian PID", document["guardian_pid"]),
            ("Mode", document["mode"]),
            ("Started", document["started_at"]),
            ("Uptime", None if up is None else format_uptime(up)),
            ("Address", document["address"]),
            ("Memory", None if rss is None else f"{rss / 2**20:.1f} MiB"),
            ("CPU time", None if rss is None else f"{document['cpu_seconds']:.2f} s"),
            ("Threads", document["threads"]),
            ("Open files", document["files"]),
            ("Database", document["db_path"]),
            ("PID file", home().pid_file(document["name"])),
            ("Log", document["log_path"]),
        ),
        indent=4,
    )
    out()
