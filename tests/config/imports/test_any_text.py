"""No file can make an importer fail: whatever it says, there are definitions and a report."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pb.config.imports.compose import read_compose
from pb.config.imports.compose_keys import KEYS as COMPOSE_KEYS
from pb.config.imports.found import Imported
from pb.config.imports.pm2 import KEYS as PM2_KEYS
from pb.config.imports.pm2 import RESTART, read_pm2
from pb.config.imports.procfile import read_procfile
from pb.config.imports.supervisor import read_supervisor
from pb.config.imports.supervisor_keys import KEYS as SUPERVISOR_KEYS
from pb.config.imports.systemd import read_units
from pb.config.imports.systemd_keys import KEYS as SYSTEMD_KEYS
from pb.config.imports.systemd_timer import TIMER_KEYS
from pb.core.definition import job_from
from pb.core.service_definition import service_from
from tests.config.imports.kit import AROUND, ROOT

VALUES = st.one_of(
    st.sampled_from(
        [
            *(
                "",
                "0",
                "-1",
                "1",
                "true",
                "no",
                "infinity",
                "1h",
                "10M",
                "5%",
                "a b",
                "'open",
                '"q" x',
            ),
            *(
                "/bin/true",
                "~",
                "%i",
                "%(x)s",
                "%",
                "$X ${Y} $$",
                'a=b,c="d"',
                "KILL",
                "9" * 30,
                "é",
            ),
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=12),
)
PLAIN = st.one_of(
    VALUES, st.integers(-5, 10**10), st.floats(allow_nan=False), st.booleans(), st.none()
)
TREES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "test", "limits"]), inner),
    ),
    max_leaves=6,
)
SLOW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def lines(keys: object) -> st.SearchStrategy[str]:
    one = st.builds("{}={}".format, st.sampled_from(sorted(keys)), VALUES)  # type: ignore[call-overload]
    return st.lists(one, max_size=12).map("\n".join)


def is_sound(found: Imported) -> bool:
    """Every definition can be added, and every remark has something to say."""
    names = [one["name"] for one in (*found.services, *found.jobs)]
    for service in found.services:
        service_from(service)
    for job in found.jobs:
        job_from(job)
    return len(set(names)) == len(names) and all(r.message for r in found.remarks)


@SLOW
@given(st.sampled_from([AROUND, ROOT]), lines(SUPERVISOR_KEYS), lines(["environment", "umask"]))
def test_supervisor(around: object, keys: str, own: str) -> None:
    text = f"[supervisord]\n{own}\n[program:a b]\ncommand=x\n{keys}\n[group:g]\nprograms=a b,c\n"

    assert is_sound(read_supervisor(text, path="/s.conf", around=around))  # type: ignore[arg-type]


@SLOW
@given(st.sampled_from([AROUND, ROOT]), lines(SYSTEMD_KEYS), lines(TIMER_KEYS))
def test_systemd(around: object, keys: str, timer: str) -> None:
    units = {
        "a.service": (("/a.service", f"[Unit]\n[Service]\nExecStart=/bin/x\n{keys}\n"),),
        "b@1.service": (("/b@.service", f"[Service]\nExecStart=/bin/x %i\n{keys}\n"),),
        "b@1.timer": (("/b@.timer", f"[Timer]\n{timer}\n"),),
    }

    assert is_sound(read_units(units, around=around))  # type: ignore[arg-type]


@SLOW
@given(st.dictionaries(st.sampled_from([*PM2_KEYS, *RESTART, "args", "env", "cwd", "name"]), TREES))
def test_pm2(keys: dict[str, object]) -> None:
    text = json.dumps({"apps": [{"script": "a.js", **keys}, {"script": "b", **keys}]})

    assert is_sound(read_pm2(text, path="/srv/p.json", around=AROUND))


@SLOW
@given(
    st.dictionaries(st.sampled_from([*COMPOSE_KEYS, "depends_on", "build", "working_dir"]), TREES)
)
def test_compose(keys: dict[str, object]) -> None:
    text = json.dumps({"services": {"a": {"command": "/bin/true", **keys}, "b": keys}})

    assert is_sound(read_compose(text, path="/srv/compose.yaml", around=AROUND))


@SLOW
@given(st.text(max_size=200))
def test_text_that_is_nothing(text: str) -> None:
    assert is_sound(read_supervisor(text, path="/s.conf", around=AROUND))
    assert is_sound(read_units({"a.service": (("/a.service", text),)}, around=AROUND))
    assert is_sound(read_compose(text, path="/c.yaml", around=AROUND))
    assert is_sound(read_pm2(text, path="/p.json", around=AROUND))
    assert is_sound(read_procfile(text, path="/nowhere/Procfile", around=AROUND))
