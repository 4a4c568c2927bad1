"""What is a secret by its name, and what of a definition is shown."""

from __future__ import annotations

import pytest

from pb.core.secrets import hidden, hidden_words, is_secret

SECRET = [
    *("API_KEY", "DB_PASSWORD", "PGPASSWORD", "GITHUB_TOKEN", "SECRET", "AWS_SECRET_ACCESS_KEY"),
    *("DB_PASS", "apiKey", "client-secret", "GOOGLE_APPLICATION_CREDENTIALS", "Authorization"),
    *("X-Auth-Token", "Cookie", "--password", "passphrase"),
]
OPEN = [
    *("KEYBOARD", "MONKEY", "PATH", "PASSENGERS", "COMPASS", "HOST", "AUTHOR", "TOKENIZER", ""),
    *("BYPASS", "HOTKEYS"),
]


@pytest.mark.parametrize("name", SECRET)
def test_names_that_hold_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", OPEN)
def test_names_that_do_not(name: str) -> None:
    assert not is_secret(name)


def test_a_definition_is_shown_without_its_secrets() -> None:
    definition = {
        "name": "web",
        "command": ["serve", "--port", "80", "--token", "abc", "--key=abc", "-v"],
        "env": {
            "API_KEY": "abc",
            "EMPTY_TOKEN": "",
            "DATABASE_URL": "postgres://me:abc@db:5432/shop?x=1",
            "PLAIN": "http://db:5432/a@b",
        },
        "ready": {"http": {"url": "http://x/", "headers": {"Authorization": "Bearer abc"}}},
        "depends_on": [{"service": "db", "restart_with": True}],
        "replicas": 3,
    }

    assert hidden(definition) == {
        "name": "web",
        "command": ["serve", "--port", "80", "--token", "***", "--key=***", "-v"],
        "env": {
            "API_KEY": "***",
            "EMPTY_TOKEN": "",
            "DATABASE_URL": "postgres://me:***@db:5432/shop?x=1",
            "PLAIN": "http://db:5432/a@b",
        },
        "ready": {"http": {"url": "http://x/", "headers": {"Authorization": "***"}}},
        "depends_on": [{"service": "db", "restart_with": True}],
        "replicas": 3,
    }


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["x", "--token"], ["x", "--token"]),
        (["x", "--token", "--verbose"], ["x", "--token", "--verbose"]),
        (["x", "redis://:abc@h"], ["x", "redis://:***@h"]),
        (["x", "--url=http://a:b@c"], ["x", "--url=http://a:***@c"]),
        ([], []),
    ],
)
def test_a_command_is_shown_without_its_secrets(words: list[str], shown: list[str]) -> None:
    assert hidden_words(words) == shown
