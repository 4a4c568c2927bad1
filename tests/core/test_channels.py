"""Channels as the settings describe them: read, written back, and shown without a secret."""

from __future__ import annotations

from typing import Any

import pytest

from pb.core.channels import (
    RESERVED,
    channel_dump,
    channel_from,
    shown_channel,
    target_of,
)
from pb.core.fields import DefinitionError

MAIL = {"type": "mail", "from": "a@x.org", "to": ["b@x.org"]}
HOOK = {"type": "webhook", "url": "https://x.org/T/KEY?k=v"}

GOOD: list[tuple[dict[str, Any], str]] = [
    ({"type": "command", "command": ["page", "-q"]}, "page"),
    ({"type": "command", "command": "page -q", "lines": 0, "attempts": 3}, "page"),
    (HOOK, "https://x.org/***"),
    ({**HOOK, "url": {"file": "~/.url"}}, "(file ~/.url)"),
    ({**HOOK, "url": {"env": "URL"}, "timeout": "30s"}, "(env URL)"),
    ({**HOOK, "headers": {"X-A": "b", "Authorization": {"env": "T"}}, "secret": {"env": "S"},
      "format": "slack", "method": "PUT", "ca_file": "/ca.pem"}, "https://x.org/***"),
    (MAIL, "b@x.org by localhost:587"),
    ({**MAIL, "security": "tls", "host": "smtp.x.org"}, "b@x.org by smtp.x.org:465"),
    ({**MAIL, "to": "b@x.org", "port": 2525, "security": "none"}, "b@x.org by localhost:2525"),
    ({**MAIL, "user": "me", "password": {"file": "/run/secrets/mail"}}, "b@x.org by localhost:587"),
    ({"type": "desktop", "icon": "smile"}, "this desktop"),
    ({"type": "ping", "url": "http://[::1]:8000/{name}", "start": "", "exit_codes": True},
     "http://[::1]:8000/***"),
    ({"type": "apprise", "urls": ["tgram://BOT/CHAT", {"env": "OTHER"}]},
     "tgram://***, (env OTHER)"),
    ({"type": "apprise", "urls": "json://x.org"}, "json://***"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "target"), GOOD)
def test_a_channel_is_read_written_back_and_named(table: dict[str, Any], target: str) -> None:
    channel = channel_from("it", table)

    assert target_of(channel) == target
    assert channel_from("it", channel_dump(channel)) == channel
    assert channel.is_ping is (table["type"] == "ping")


BAD: list[tuple[Any, str]] = [
    ([], "should be a table"),
    ({}, "type: is missing"),
    ({"type": 5}, "type: should be one of"),
    ({"type": "mial"}, "type: should be one of"),
    ({"type": "mail"}, "from: is missing; to: is missing"),
    ({**MAIL, "hots": "x"}, "hots: is not a known key"),
    ({**MAIL, "from": "x"}, "'x' is not an address"),
    ({**MAIL, "from": "x@y.org\r\nBcc: z@y.org"}, "is not an address"),
    ({**MAIL, "to": []}, "to: is empty"),
    ({**MAIL, "host": "a b"}, "is not a host"),
    ({**MAIL, "port": 0}, "port: should be from 1"),
    ({**MAIL, "security": "ssl"}, "should be one of starttls, tls, none"),
    ({**MAIL, "user": "me"}, "user: goes with password"),
    ({**MAIL, "password": {"env": "P"}}, "password: goes with user"),
    ({**MAIL, "user": "m", "password": {"env": "P"}, "security": "none"}, "unencrypted"),
    ({**MAIL, "user": "m", "password": "hunter2"}, "password: should not stand here"),
    ({**HOOK, "url": "ftp://x"}, "is not an http or https address"),
    ({**HOOK, "url": 5}, "should be text or a table"),
    ({**HOOK, "url": {}}, "should be text or a table"),
    ({**HOOK, "url": {"vault": "x"}}, "'vault' is no place of a secret"),
    ({**HOOK, "url": {"file": "relative"}}, "not an absolute path"),
    ({**HOOK, "headers": []}, "should be a table of names and values"),
    ({**HOOK, "headers": {"a b": "c", "X": "d\r\ne"}}, "a header can have.*one line"),
    ({**HOOK, "timeout": "5m"}, "should be from 100ms to 120s"),
    ({**HOOK, "attempts": 0}, "should be from 1 to 20"),
    ({"type": "command", "command": ""}, "command: is empty"),
    ({"type": "desktop", "icon": " "}, "icon: is empty"),
    ({"type": "ping", "url": "http://x", "exit_codes": "yes"}, "true or false"),
    ({"type": "apprise", "urls": []}, "urls: is empty"),
]


@pytest.mark.parametrize(("table", "said"), BAD)
def test_a_mistake_is_told_with_its_key(table: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said) as caught:
        channel_from("it", table)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", [*RESERVED, "a b", ""])
def test_not_every_name_is_one(name: str) -> None:
    with pytest.raises(DefinitionError, match="a name that a channel can have"):
        channel_from(name, HOOK)


def test_what_is_shown_has_no_secret_in_it() -> None:
    table = {
        **HOOK,
        "headers": {"Authorization": "Bearer abc", "X-From": "pb", "X-Key": {"env": "K"}},
        "secret": {"file": "/s"},
    }

    assert shown_channel(table) == {
        "type": "webhook",
        "url": "https://x.org/***",
        "headers": {"Authorization": "***", "X-From": "pb", "X-Key": {"env": "K"}},
        "secret": {"file": "/s"},
    }
    assert shown_channel({"urls": ["tgram://BOT/C", {"env": "U"}]}) == {
        "urls": ["tgram://***", {"env": "U"}]
    }
