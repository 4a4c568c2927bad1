"""Web hooks: which proofs are good, and what is told of a call."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pb.api.emitting import MOST
from pb.api.hooks import REMEMBERED, hook_fire
from pb.errors import ConflictError, InvalidError
from tests.kit.scheduler import World

TOKEN, SECRET = "a-token-of-its-own-0123", "a-secret-of-its-own-4567"
BODY = b'{"ref": "main"}'


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "home")
    yield made
    made.close()


def add(w: World, **keys: Any) -> None:
    w.add("deploy", triggers=[{"type": "webhook", **keys}], overlap="allow", max_instances=1000)


def fire(w: World, body: bytes = BODY, name: str = "deploy", **headers: str) -> bool:
    given = {key.replace("_", "-"): value for key, value in headers.items()}
    text = base64.b64encode(body).decode()
    answer = w.call("hook.fire", name=name, body=text, headers=given)
    w.settle()
    return bool(answer["taken"])


def signed(body: bytes = BODY, secret: str = SECRET, stamp: int | None = None) -> dict[str, str]:
    content = body if stamp is None else f"{stamp}.".encode() + body
    mark = "sha256=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
    found = {"X_Hub_Signature_256": mark}
    return found if stamp is None else {**found, "X_PB_Timestamp": str(stamp)}


@pytest.mark.parametrize(
    ("keys", "headers", "taken"),
    [
        ({}, {}, False),
        ({}, {"Authorization": f"Bearer {TOKEN}"}, False),
        ({"token": TOKEN}, {"Authorization": f"Bearer {TOKEN}"}, True),
        ({"token": TOKEN}, {"Authorization": f"bearer  {TOKEN}"}, True),
        ({"token": TOKEN}, {"Authorization": f"Basic {TOKEN}"}, False),
        ({"token": TOKEN}, {"Authorization": f"Bearer {TOKEN}x"}, False),
        ({"token": TOKEN}, {"Authorization": "Bearer "}, False),
        ({"token": TOKEN}, {"Authorization": "Bearer ä"}, False),
        ({"token": TOKEN}, {"X_PB_Token": TOKEN}, True),
        ({"token": TOKEN}, {"X_Gitlab_Token": TOKEN}, True),
        ({"token": TOKEN}, signed(secret=TOKEN), False),
        ({"secret": SECRET}, signed(), True),
        ({"secret": SECRET}, signed(b"another body"), False),
        ({"secret": SECRET}, signed(secret=TOKEN), False),
        ({"secret": SECRET}, {"X_PB_Token": SECRET}, False),
        ({"secret": SECRET}, {"X_Hub_Signature_256": "sha256="}, False),
        ({"token": TOKEN, "secret": SECRET}, signed(), True),
        ({"token": TOKEN, "secret": SECRET}, {"X_PB_Token": TOKEN}, True),
        ({"token": TOKEN, "secret": SECRET}, {}, False),
    ],
)
def test_a_hook_is_fired_by_its_proof_only(
    w: World, keys: dict[str, str], headers: dict[str, str], taken: bool
) -> None:
    add(w, **keys)
    assert fire(w, **headers) is taken
    assert len(w.runs("deploy")) == taken


def test_a_token_that_pb_has_made_is_shown_and_good_for_that_job_only(w: World) -> None:
    add(w)
    w.add("other", triggers=["webhook"])
    shown = w.call("hook.show", name="deploy")
    assert (shown["path"], len(shown["token"])) == ("/api/v1/hooks/deploy", 43)
    assert fire(w, X_PB_Token=shown["token"])
    assert not fire(w, name="other", X_PB_Token=shown["token"])


def test_chosen_tokens_and_secrets_are_shown_nowhere(w: World) -> None:
    add(w, token=TOKEN, secret=SECRET)
    shown = w.call("hook.show", name="deploy")
    assert (shown["token"], shown["has_token"], shown["has_secret"]) == (None, True, True)
    listed = json.dumps(list(w.call("job.list")["jobs"]))
    assert TOKEN not in listed
    assert SECRET not in listed


@pytest.mark.parametrize("headers", [{}, {"X_PB_Token": TOKEN}, signed()])
def test_no_job_no_hook_and_a_disabled_job_are_answered_alike(
    w: World, headers: dict[str, str]
) -> None:
    w.add("plain")
    add(w, token=TOKEN, secret=SECRET)
    w.call("job.disable", name="deploy")
    for name in ("nobody", "plain", "deploy"):
        assert not fire(w, name=name, **headers)
    with pytest.raises(InvalidError, match="has no hook"):
        w.call("hook.show", name="plain")


def test_a_time_stamp_is_signed_recent_and_good_once(w: World) -> None:
    add(w, secret=SECRET, tolerance="1m")
    now = w.clock.now_ms() // 1000
    assert fire(w, **signed(stamp=now))
    assert not fire(w, **signed(stamp=now)), "once more"
    assert fire(w, **signed(stamp=now - 59))
    for stamp in (now - 62, now + 62):
        assert not fire(w, **signed(stamp=stamp))
    assert not fire(w, **{**signed(stamp=now), "X_PB_Timestamp": str(now - 1)}), (
        "not what is signed"
    )
    assert not fire(w, **{**signed(), "X_PB_Timestamp": str(now)}), "not signed"
    for stamp_text in ("", "soon", "9" * 13, "٣"):
        assert not fire(w, **{**signed(), "X_PB_Timestamp": stamp_text})
    assert len(w.runs("deploy")) == 2


def test_what_was_seen_survives_a_crash_and_is_let_go_once_it_is_too_old(w: World) -> None:
    add(w, secret=SECRET, tolerance="1m")
    now = w.clock.now_ms() // 1000
    assert fire(w, **signed(stamp=now))
    again = w.crash()
    assert not fire(again, **signed(stamp=now))
    again.run_for(300)
    assert fire(again, **signed(stamp=now + 300))
    (state,) = again.store.occasions.states("deploy").values()
    assert len(state["seen"]) == 1 <= REMEMBERED
    again.close()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"a": [1, null]}', {"a": [1, None]}),
        (b"plain words", "plain words"),
        (b"\xff\x00", "\ufffd\0"),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b"[" * 500 + b"]" * 500, "[" * 500 + "]" * 500),
        (b"[" * 100_000, "[" * 100_000),
        (b"", None),
    ],
)
def test_the_job_is_told_the_body_as_what_it_is(w: World, body: bytes, told: object) -> None:
    add(w, token=TOKEN)
    assert fire(w, body, X_PB_Token=TOKEN, Content_Type="text/x", User_Agent="me" * 200)
    about = w.executor.events[w.runs("deploy")[0].id]
    assert about is not None
    event = json.loads(about.lines)
    assert event.get("body") == told
    assert event["headers"] == {"content-type": "text/x", "user-agent": ("me" * 200)[:256]}
    assert TOKEN not in about.lines.decode()
    assert about.event["event"] == "webhook"


def test_a_paused_job_says_that_it_was_called(w: World) -> None:
    add(w, token=TOKEN)
    w.call("job.pause", name="deploy")
    assert fire(w, X_PB_Token=TOKEN)
    assert w.states("deploy") == ["skipped"]


def test_nonsense_and_too_much_are_refused(w: World) -> None:
    add(w, token=TOKEN)
    with pytest.raises(InvalidError, match="base64"):
        w.call("hook.fire", name="deploy", body="?", headers={})
    with w.store.transaction():
        for _ in range(MOST):
            w.store.occasions.emit(at=1, name="user.x", facts={}, actor="t")
        with pytest.raises(ConflictError, match="hook deploy was not taken"):
            hook_fire(w.engine._context, name="deploy", body="", headers={"x-pb-token": TOKEN})
