"""Who is told: the channels of the settings, and what they mean for one definition."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pb.api.views import Json
from pb.core.channels import Channel, channel_from
from pb.core.notice import Telling
from pb.core.notify import effective, policy_view, read_notify

if TYPE_CHECKING:
    from pb.config.settings import Settings


def channels_of(settings: Settings) -> dict[str, Channel]:
    """The channels by name."""
    tables = settings.notify.channels
    return {name: channel_from(name, table) for name, table in tables.items()}


def with_channels(settings: Settings, fresh: Settings) -> Settings:
    """The settings with the channels of fresh ones; the rest is as it was."""
    return dataclasses.replace(settings, notify=fresh.notify)


def policy_of(settings: Settings, own: Telling | None) -> Json:
    """Who is told of what, and whether the definition or the settings say so."""
    policy = effective(own, read_notify(settings.notify.default))
    origin = "settings" if own is None else "definition"
    known = channels_of(settings)
    unknown = [name for name in policy.to or () if name not in known]
    return {**policy_view(policy), "origin": origin, "unknown": unknown}
