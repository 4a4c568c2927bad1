"""What must not be shown of a definition: values that are secrets by their names, and passwords in
URLs. Pure: only for people's eyes, what is stored and exported stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

HIDDEN = "***"

WORDS = frozenset(
    (
        *("KEY", "KEYS", "TOKEN", "TOKENS", "SECRET", "SECRETS", "PASSWORD", "PASSWORDS", "PASS"),
        *("PASSWD", "PASSPHRASE", "CREDENTIAL", "CREDENTIALS", "AUTH", "AUTHORIZATION", "COOKIE"),
    )
)
"""Words of a name that make its value a secret: DB_PASS, API_KEY, Proxy-Authorization."""

ENDINGS = ("PASSWORD", "PASSWD", "TOKEN", "SECRET", "APIKEY", "SECRETKEY", "CREDENTIALS")
"""The same without a separator before them: PGPASSWORD, apiKey."""

PASSWORD = re.compile(r"(?P<before>\b[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:)[^/\s@]+(?=@)")
"""A password in a URL (RFC 3986, section 3.2.1)."""

OPTION = re.compile(r"(?P<name>--?[A-Za-z][A-Za-z0-9_.-]*)(?P<equals>=(?P<value>.+))?", re.DOTALL)


def is_secret(name: str) -> bool:
    """Whether a variable, header or option of this name holds a secret."""
    upper = name.upper()
    return not WORDS.isdisjoint(re.split("[^A-Z0-9]+", upper)) or upper.endswith(ENDINGS)


def hidden_text(name: str, text: str) -> str:
    """The value as it may be shown: nothing of a secret, and no password of a URL."""
    if text and is_secret(name):
        return HIDDEN
    return PASSWORD.sub(rf"\g<before>{HIDDEN}", text)


def hidden_words(words: Sequence[str]) -> list[str]:
    """An argv as it may be shown: without values of ``--password=…`` and ``--token …``."""
    shown: list[str] = []
    is_value = False
    for word in words:
        option = OPTION.fullmatch(word)
        secretive = option is not None and is_secret(option["name"])
        if is_value and option is None:
            shown.append(HIDDEN)
        elif option is not None and secretive and option["equals"]:
            shown.append(f"{option['name']}={HIDDEN}")
        else:
            shown.append(hidden_text("", word))
        is_value = option is not None and secretive and not option["equals"]
    return shown


def hidden(value: object, name: str = "") -> object:
    """A definition, or a part of it, as it may be shown; ``name`` is that of its key."""
    match value:
        case str():
            return hidden_text(name, value)
        case list() | tuple() if all(isinstance(item, str) for item in value):
            return hidden_words(value)
        case list() | tuple():
            return [hidden(item) for item in value]
        case Mapping():
            return {key: hidden(part, str(key)) for key, part in value.items()}
    return value
