"""What a definition means, in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from pb.core.service import Service
from pb.core.service_definition import service_from
from pb.core.service_phrases import phrases
from tests.core.test_service_definition import SERVICES, minimal

USUAL = "whenever it ends, after 100ms growing to 1m; more than 10 times in 10m is a failure"

MEANT: list[tuple[dict[str, Any], str, str | None]] = [
    ({}, "starts", "by itself"),
    ({}, "restarts", USUAL),
    ({}, "ready", None),
    ({}, "stops", None),
    (
        {"replicas": 2, "enabled": False},
        "starts",
        "when it is asked to, 2 instances: it is disabled",
    ),
    ({"restart": "never"}, "restarts", "never"),
    (
        {"restart": {"mode": "on-failure", "factor": 1, "delay": "1s", "max_restarts": 3}},
        "restarts",
        "when it fails, after 1s; more than 3 times in 10m is a failure",
    ),
    (
        {"depends_on": ["a", {"service": "b", "condition": "healthy", "restart_with": True}]},
        "after",
        "a is ready, b is healthy, and restarts with it",
    ),
    ({"ready": {"tcp": 80}}, "ready", "once 127.0.0.1:80 accepts connections, within 1m"),
    ({"ready": {"tcp": "[::1]:80"}}, "ready", "once [::1]:80 accepts connections, within 1m"),
    ({"ready": {"exec": "x y"}}, "ready", "once x exits with 0, within 1m"),
    ({"ready": {"log": "up"}}, "ready", "once it writes a line that matches 'up', within 1m"),
    ({"ready": "notify"}, "ready", "once it says so (sd_notify), within 1m"),
    ({"ready": {"file": "/x"}}, "ready", "once /x is written, within 1m"),
    ({"ready": {"delay": "2s"}}, "ready", "once it has lived for 2s"),
    (
        {"health": {"http": {"url": "http://x/", "status": [200, 204]}, "interval": "5s"}},
        "healthy",
        "while http://x/ answers with 200 or 204, asked every 5s; if not 3 times in a row,"
        " it is restarted",
    ),
    (
        {"health": {"watchdog": "30s", "action": "none"}},
        "healthy",
        "while it says so every 30s; if not, it is told, no more",
    ),
    ({"stop": {"signal": "INT", "timeout": "30s"}}, "stops", "by SIGINT, after 30s by SIGKILL"),
    ({"stop": {"command": "a b"}}, "stops", "by a, then SIGTERM, after 10s by SIGKILL"),
]


@pytest.mark.parametrize(("keys", "word", "meant"), MEANT)
def test_a_definition_is_said_in_words(keys: dict[str, Any], word: str, meant: str | None) -> None:
    assert dict(phrases(service_from(minimal(**keys)))).get(word) == meant


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(SERVICES)
def test_every_service_can_be_said(service: Service) -> None:
    assert all(text for _, text in phrases(service))
