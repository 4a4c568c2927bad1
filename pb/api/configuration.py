"""The settings in effect, as everybody may be shown them: secrets hidden, with their origins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pb.api.context import Context
from pb.api.views import Json
from pb.config.settings import SETTINGS
from pb.core.secrets import hidden


def config_show(context: Context) -> Json:
    """Every setting: its value, and where that came from (``default``, ``FILE:LINE``, …)."""
    settings = context.settings
    return {
        "settings": {name: hidden(value_of(context, name), name) for name in SETTINGS},
        "origins": {name: settings.origins.get(name, "default") for name in SETTINGS},
    }


def shown_channels(tables: Mapping[str, Mapping[str, Any]]) -> Json:
    """The channels by name, without what is secret about them."""
    from pb.core.channels import shown_channel

    return {name: shown_channel(table) for name, table in tables.items()}


def value_of(context: Context, name: str) -> Any:
    """A setting's value; the database and the socket as the paths they come to."""
    if name == "scheduler.db":
        return str(context.store.path)
    if name == "scheduler.socket":
        return str(context.settings.socket_path(context.home))
    if name == "notify.channels":
        return shown_channels(context.settings.notify.channels)
    section, _, key = name.partition(".")
    return getattr(getattr(context.settings, section), key)
