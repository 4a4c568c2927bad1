"""``pb gateway``: the network face of a home: HTTP, WebSocket and gRPC behind a token."""

from __future__ import annotations

from typing import Annotated

import typer

from pb.cli import daemons, logs, options, outcomes, ping, restarts, tokens
from pb.cli.asked import home
from pb.cli.options import Db, start_mode, whole_path
from pb.cli.tree import Verbs

app = Verbs("Start, stop and ask the gateway: the network face, behind a token.")

Host = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Where to listen (default: 127.0.0.1).")
]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="The HTTP port (default: 18789; 0 picks a free one)."),
]
GrpcPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="The gRPC port (default: 50051; 0 picks a free one)."),
]


@app.verb("start", "pb gateway start", "pb gateway start --port 0 --grpc-port 0")
def start(
    host: Host = None,
    port: Port = None,
    grpc_port: GrpcPort = None,
    db: Db = None,
    foreground: options.Foreground = False,
    daemon: options.Daemon = False,
    force: options.Replace = False,
    wait: options.Wait = "10",
) -> int:
    """Start the gateway in the background; returns when it listens, or has failed."""
    path = whole_path(db) if db else None
    given = (("--host", host), ("--port", port), ("--grpc-port", grpc_port), ("--db", path))
    words = tuple(str(word) for pair in given if pair[1] is not None for word in pair)
    return daemons.start(
        daemons.Start(
            service="gateway",
            arguments=words,
            mode=start_mode(foreground, daemon),
            wait=options.duration("--wait", wait),
            force=force,
        )
    )


@app.verb("stop", "pb gateway stop")
def stop(force: options.Force = False, timeout: options.StopTimeout = None) -> int:
    """Stop the gateway. Not running is fine."""
    seconds = None if timeout is None else options.duration("--timeout", timeout)
    return daemons.stop("gateway", force=force, timeout=seconds)


@app.verb("restart", "pb gateway restart")
def restart(wait: options.Wait = "10") -> int:
    """Restart the gateway."""
    return outcomes.report([restarts.restart_one("gateway", options.duration("--wait", wait))])


@app.verb("status", "pb gateway status", "pb gateway status --json")
def show_status() -> int:
    """Show the gateway and ping it.

    Exit code: 0 answers, 1 died, 3 stopped, 4 unknown, 150 alive but silent.
    """
    return ping.status("gateway")


@app.verb("ps", "pb gateway ps", "pb gateway ps --json")
def show_processes() -> int:
    """Show the gateway's process: memory, processor time, threads, files, ports."""
    from pb.cli import processes
    from pb.cli.service_names import Chosen

    return processes.show(Chosen(builtins=("gateway",)))


@app.verb("logs", "pb gateway logs -f")
def show_logs(
    lines: options.Lines = 50,
    follow: options.Follow = False,
    since: options.Since = None,
    until: options.Until = None,
    grep: options.Grep = None,
    timestamps: options.Timestamps = False,
    raw: options.Raw = False,
) -> int:
    """Show the gateway's own log, across rotation."""
    wanted = logs.view(lines, follow, (since, until), grep, timestamps, raw)
    return logs.show([("gateway", home().log("gateway"))], wanted)


@app.verb("tokens", "pb gateway tokens", "pb gateway tokens --json")
def show_tokens() -> int:
    """Show the tokens that there are and were; never a token itself."""
    return tokens.show()


@app.verb(
    "pair",
    "pb gateway pair --name laptop --scope write --expires 90d",
    "pb gateway pair --name prometheus > prometheus.token",
)
def pair(
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="How the record names it (default: SCOPE-N).")
    ] = None,
    scope: Annotated[
        str,
        typer.Option(
            metavar="read|write|admin",
            help="read: look; write: also act on what is defined; admin: everything.",
        ),
    ] = "read",
    expires: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="In so long (90d), or an RFC 3339 instant; else never."),
    ] = None,
) -> int:
    """Make a token, and print it, this once.

    Only the token goes to stdout. What pb remembers of it is a hash.
    """
    return tokens.pair(name, scope, expires)


@app.verb("revoke", "pb gateway revoke laptop", "pb gateway revoke 3")
def revoke(
    token: Annotated[str, typer.Argument(metavar="NAME|ID", help="A token's name or number.")],
) -> int:
    """Make a token good for nothing: it is refused at once, also where it is in use."""
    return tokens.revoke(token)
