"""``pb init``: a home with a configuration file to fill in, and examples if wanted.

What is there already is never touched, so it can be run at any time.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pb.cli.asked import asked, home
from pb.cli.render import emit, mark, note, out
from pb.cli.tree import single

if TYPE_CHECKING:
    from pb.paths import Home

HEAD = """\
## The settings of pb. Every line with one # shows a default; take the # away to change it, or let
## pb config set do it. pb config show --origin tells what counts, and where it comes from.
"""

EXAMPLES = """\
# Jobs to look at and to change. The scheduler follows this file: what is saved here counts at once.
# pb job validate checks it, pb job list shows what became of it.

[job.hello]
description = "Says hello every ten minutes: pb job logs hello"
command = ["echo", "hello"]
triggers = ["every: 10m"]

[job.disk-space]
description = "Shows each morning how full the disks are"
command = ["df", "-h"]
triggers = ["daily at 09:00"]

[job.backup]
description = "A copy each night, tried three times, and only where there is room for it"
enabled = false
command = ["./backup.sh"]
cwd = "~"
triggers = ["cron: 30 2 * * *"]
timeout = "1h"
retry = {max_attempts = 3, base = "5m"}
conditions = {disk = "~:1GiB", wait = "2h"}

[job.report]
description = "Follows each backup that has ended well"
enabled = false
command = "./report.sh --yesterday"
cwd = "~"
depends_on = ["backup"]
"""

app, _verb = single("init", "pb init", "pb init --examples", "pb init --home ~/.pb-test")


@_verb
def init(
    examples: Annotated[
        bool, typer.Option("--examples", help="Also jobs to look at, in jobs.d/examples.toml.")
    ] = False,
) -> int:
    """Make a home with a configuration file to fill in; leave what is there as it is."""
    place = home()
    place.ensure()
    files = {place.config: configuration(place)}
    if examples:
        files[place.jobs_dir / "examples.toml"] = EXAMPLES
    made = [path for path, text in files.items() if written(path, text)]
    if asked.as_json:
        emit({"home": str(place.root), "created": [str(path) for path in made]})
        return 0
    out(f"{mark('ok')} The home is {place.root}")
    for path in files:
        out(f"{mark('ok')} {path}" + ("" if path in made else " was there, and is as it was"))
    note("Start everything with: pb service start all")
    return 0


def written(path: Path, text: str) -> bool:
    """Write a new private file; False when there is one already."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def configuration(place: Home) -> str:
    """``config.toml`` with every setting and its meaning as comments."""
    from textwrap import wrap

    from pb.config.setting_meanings import MEANINGS
    from pb.config.settings import SECTIONS, SETTINGS, Settings

    defaults = Settings()
    paths = {
        "scheduler.db": str(place.db),
        "scheduler.socket": str(place.socket),
        "logs.socket": "/dev/log",
        "backup.directory": str(place.backups),
        "gateway.tls_cert": str(place.root / "gateway.crt"),
        "gateway.tls_key": str(place.root / "gateway.key"),
    }
    text = HEAD
    for section in SECTIONS:
        text += f"\n[{section}]\n"
        for name in SETTINGS:
            at, _, key = name.partition(".")
            if at == section:
                value = paths.get(name, getattr(getattr(defaults, section), key))
                meaning = wrap(MEANINGS[name], 88)
                text += "".join(f"\n## {line}" for line in meaning) + "\n"
                # What JSON writes of numbers, texts and switches is TOML too.
                text += f"# {key} = {json.dumps(value)}\n"
    return text
