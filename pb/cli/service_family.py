"""The family ``pb service``: its verbs are declared in several modules, and are one list here."""

from __future__ import annotations

from pb.cli.tree import Verbs

app = Verbs("Keep services running: your own, and pb's scheduler, gateway and debug server.")
