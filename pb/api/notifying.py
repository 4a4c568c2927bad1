"""Channels and notices as people ask for them: the list, what was sent, and a test.

Deciding what is told, and sending it, is the scheduler's; without one only a test is sent.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pb.api.context import Context, job_of
from pb.api.methods import limited
from pb.api.told import channels_of
from pb.api.views import Json, rfc3339
from pb.core.channels import Channel, shown_channel, target_of
from pb.core.notice import Occasion, Telling
from pb.core.notify import effective, read_notify
from pb.core.service_definition import service_from
from pb.errors import InvalidError, NotFoundError, did_you_mean
from pb.store.notices import NoticeRow, NoticeStore

if TYPE_CHECKING:
    from pb.config.settings import Settings
    from pb.store.store import Store

STATES = ("waiting", "sent", "failed")

TO_SPARE = 50.0
"""Seconds beyond a channel's own timeout; a busy machine may take long to start a process."""

TESTED = "This is a test: notices reach this channel"


def require_channels(context: Context, name: str | None) -> list[Channel]:
    """The channel of that name, or all. Raises NotFoundError where there is none."""
    channels = channels_of(context.settings)
    if name is None and channels:
        return list(channels.values())
    if name in channels:
        return [channels[name]]
    what = "There are no channels" if name is None else f"There is no channel {name!r}"
    hint = did_you_mean(name or "", list(channels)) or (
        f"There are {', '.join(channels)}."
        if channels
        else "Write one into config.toml: [notify.NAME]"
    )
    raise NotFoundError(what, hint=hint)


# -- looking


def users_of(store: Store, settings: Settings) -> dict[str, list[str]]:
    """The jobs and services that tell each channel, and digests."""
    usual = read_notify(settings.notify.default)
    users: dict[str, list[str]] = {}
    for row in store.jobs():
        for channel in effective(told_by(lambda row=row: job_of(row).notify), usual).to or ():
            users.setdefault(channel, []).append(f"job {row.name}")
    for service in store.services.rows():
        own = told_by(lambda row=service: service_from(json.loads(row.definition)).notify)
        for channel in effective(own, usual).to or ():
            users.setdefault(channel, []).append(f"service {service.name}")
    for channel in settings.maintenance.digests_to:
        users.setdefault(channel, []).append("digests")
    return users


def told_by(read: Any) -> Telling | None:
    """What a stored definition says; one that this version cannot use says nothing."""
    try:
        found: Telling | None = read()
    except InvalidError:
        return None
    return found


def notify_list(context: Context) -> Json:
    """The channels, where they lead, who tells them, and how the last message fared."""
    notices, users = NoticeStore(context.store), users_of(context.store, context.settings)
    waiting = notices.waiting()
    default = read_notify(context.settings.notify.default)
    views = []
    for name, channel in channels_of(context.settings).items():
        last = notices.last(name)
        views.append(
            {
                "name": name,
                "type": channel.type,
                "target": target_of(channel),
                "options": shown_channel(context.settings.notify.channels[name]),
                "is_default": name in ((default.to or ()) if default is not None else ()),
                "used_by": users.pop(name, []),
                "waiting": waiting.get(name, 0),
                "last": None if last is None else notice_view(last),
            }
        )
    return {"channels": views, "unknown": users}


def notify_history(
    context: Context,
    *,
    n: int,
    channel: str | None,
    state: str | None,
    job: str | None,
    service: str | None,
    before: int | None,
) -> Json:
    """The newest notices that match, each with what became of it."""
    if state is not None and state not in STATES:
        raise InvalidError(
            f"state should be one of {', '.join(STATES)}, not {state!r}",
            hint=did_you_mean(state, STATES),
        )
    rows = NoticeStore(context.store).history(
        n=limited(n), channel=channel, state=state, job=job, service=service, before=before
    )
    return {"notices": [notice_view(row) for row in rows]}


def notice_view(row: NoticeRow) -> Json:
    return {
        "id": row.id,
        "at": rfc3339(row.at),
        "channel": row.channel,
        "occasion": row.occasion,
        "job": row.job,
        "service": row.service,
        "run_id": row.run_id,
        "text": row.text,
        "state": row.state,
        "attempts": row.attempts,
        "next_try": rfc3339(row.due_at) if row.state == "waiting" else None,
        "finished_at": rfc3339(row.finished_at),
        "answer": row.answer,
        "message": row.message,
    }


# -- trying it


def queue_test(context: Context, channels: Sequence[Channel]) -> list[NoticeRow]:
    """Put a test for each of the channels into the queue; inside a transaction."""
    now, notices = context.now(), NoticeStore(context.store)
    thing = f"test:{now}:{os.urandom(4).hex()}"
    rows = [
        NoticeRow(
            thing=thing,
            channel=one.name,
            occasion=str(Occasion.TEST),
            at=now,
            text=TESTED,
            due_at=now,
        )
        for one in channels
    ]
    notices.add(rows)
    stored = [notices.one(thing, row.channel) for row in rows]
    return [row for row in stored if row is not None]


def notify_test(context: Context, *, channel: str | None) -> Json:
    """Send a test without a scheduler, by the same process that sends for it."""
    channels = require_channels(context, channel)
    notices = NoticeStore(context.store)
    with context.store.transaction():
        rows = queue_test(context, channels)
    for row, one in zip(rows, channels, strict=True):
        is_sent, answer = deliver(context, row, one)
        state = "sent" if is_sent else "failed"
        with context.store.transaction():
            notices.finish([row.id], state=state, at=context.now(), answer=answer)
            said = f"Told {one.name}: {row.text}"
            context.tell(
                f"notify.{state}", said if is_sent else f"Cannot tell {one.name}: {answer}"
            )
    found = (notices.row(row.id) for row in rows)
    return {"notices": [notice_view(row) for row in found if row is not None]}


def deliver(context: Context, row: NoticeRow, channel: Channel) -> tuple[bool, str]:
    """Whether it was sent, and what was said about it."""
    import subprocess  # not light, and every command reads the registry

    batch = {"channel": row.channel, "store": context.store.store_id, "notices": [facts_of(row)]}
    try:
        ran = subprocess.run(
            [sys.executable, "-P", "-m", "pb.courier"],
            input=json.dumps(batch).encode(),
            env={**os.environ, "PB_HOME": str(context.home.root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=channel.options["timeout"] + TO_SPARE,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        return False, f"cannot be sent: {error}"
    lines = ran.stdout.decode("utf-8", "replace").strip().splitlines()
    return ran.returncode == 0, lines[-1] if lines else "nothing was said about it"


def facts_of(row: NoticeRow) -> Json:
    """A notice as the courier gets it."""
    return {
        **json.loads(row.details),
        "id": row.id,
        "occasion": row.occasion,
        "at": row.at,
        "job": row.job,
        "run_id": row.run_id,
        "service": row.service,
        "text": row.text,
    }
