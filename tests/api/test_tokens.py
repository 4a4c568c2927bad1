"""Tokens: made once, remembered as hashes, refused as soon as they are revoked or over."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pb.api.token_book import TokenBook
from pb.api.tokens import digest_of
from pb.errors import ConflictError, InvalidError, NotFoundError, PbError
from tests.gateway.tokens import Keys, keys

LOCAL = "l" * 43


@pytest.fixture
def home(tmp_path: Path) -> Keys:
    return keys(tmp_path / "home")


@pytest.fixture
def book(home: Keys) -> TokenBook:
    return TokenBook(LOCAL, home.home.db)


def test_a_token_has_256_bits_and_is_remembered_as_a_hash_only(home: Keys) -> None:
    made = home.ask("token.create", name="laptop", scope="write", expires="30d")

    assert made["token"].startswith("pb_")
    assert len(made["token"]) == 3 + 43
    assert (made["name"], made["scope"], made["state"]) == ("laptop", "write", "active")
    stored = b"".join(path.read_bytes() for path in home.home.root.rglob("pony.db*"))
    assert made["token"].encode() not in stored
    assert digest_of(made["token"]).encode() in stored
    [listed] = home.ask("token.list")["tokens"]
    assert "token" not in listed
    assert "digest" not in listed


def test_names_are_given_when_there_is_none(home: Keys) -> None:
    names = [home.ask("token.create", scope="read")["name"] for _ in range(2)]

    assert names == ["read-1", "read-2"]


@pytest.mark.parametrize("name", ["local", "7", "", "../x", "a b", "x" * 65])
def test_a_name_that_could_be_misunderstood_is_refused(home: Keys, name: str) -> None:
    with pytest.raises(InvalidError, match="cannot be a token's name"):
        home.token(name=name)


def test_a_name_is_in_use_until_it_is_revoked(home: Keys) -> None:
    home.token(name="laptop")
    with pytest.raises(ConflictError, match="exists already"):
        home.token(name="laptop")

    home.ask("token.revoke", name="laptop")

    assert home.token(name="laptop")


@pytest.mark.parametrize(
    "expires",
    ["tomorrow", "2020-01-01T00:00:00Z", "2030-01-01T00:00:00", "-1d", "0s", "9" * 30, "3000000d"],
)
def test_an_expiry_that_makes_no_sense_is_refused(home: Keys, expires: str) -> None:
    with pytest.raises(PbError, match="expires"):
        home.token(expires=expires)


def test_an_expiry_is_a_duration_or_an_instant(home: Keys) -> None:
    instant = (datetime.now(UTC) + timedelta(days=3)).isoformat()

    assert home.ask("token.create", expires="3d")["expires_at"]
    assert home.ask("token.create", expires=instant)["expires_at"][:19] == instant[:19]
    assert home.ask("token.create")["expires_at"] is None


def test_an_unknown_scope_and_an_unknown_token_are_named(home: Keys) -> None:
    with pytest.raises(InvalidError, match="'root'"):
        home.token("root")
    home.token(name="laptop")
    with pytest.raises(NotFoundError) as caught:
        home.ask("token.revoke", name="laptob")
    assert "laptop" in str(caught.value.hint)


def test_a_token_is_revoked_by_name_or_number_and_twice_is_fine(home: Keys) -> None:
    home.token(name="a")
    home.token(name="b")

    assert home.ask("token.revoke", name="2")["name"] == "b"
    assert home.ask("token.revoke", name="a")["changed"] is True
    assert home.ask("token.revoke", name="a")["changed"] is False
    assert [one["state"] for one in home.ask("token.list")["tokens"]] == ["revoked", "revoked"]


def test_the_book_knows_the_local_token_as_admin_before_there_is_a_store(tmp_path: Path) -> None:
    book = TokenBook(LOCAL, tmp_path / "none.db")

    grant = book.find(LOCAL)

    assert grant is not None
    assert (grant.name, grant.scope) == ("local", "admin")
    assert book.holds(grant)
    assert book.find("") is None
    assert book.find(LOCAL + "x") is None


def test_a_token_is_known_at_once_and_refused_at_once(home: Keys, book: TokenBook) -> None:
    assert book.find("pb_x") is None
    token = home.token("write", name="laptop")

    grant = book.find(token)
    assert grant is not None
    assert (grant.name, grant.scope) == ("laptop", "write")
    assert [grant.may(scope) for scope in ("read", "write", "admin")] == [True, True, False]
    assert book.holds(grant)

    home.ask("token.revoke", name="laptop")
    assert book.find(token) is None
    assert not book.holds(grant)
    book.close()


def test_a_token_is_good_until_the_very_moment_it_expires(home: Keys) -> None:
    token = home.token(name="short", expires="2030-01-01T00:00:00Z")
    end = round(datetime(2030, 1, 1, tzinfo=UTC).timestamp() * 1000)
    now = [end - 1]
    book = TokenBook(LOCAL, home.home.db, lambda: now[0])

    grant = book.find(token)
    assert grant is not None
    now[0] = end
    assert book.find(token) is None
    assert not book.holds(grant)
    book.close()


def test_a_new_token_of_an_old_name_does_not_revive_the_old_one(
    home: Keys, book: TokenBook
) -> None:
    old = home.token(name="laptop")
    grant = book.find(old)
    home.ask("token.revoke", name="laptop")
    home.token(name="laptop")

    assert book.find(old) is None
    assert grant is not None
    assert not book.holds(grant)
    book.close()


def test_a_store_that_was_put_in_another_s_place_is_the_one_that_counts(
    home: Keys, book: TokenBook, tmp_path: Path
) -> None:
    mine = home.token()
    assert book.find(mine)
    other = keys(tmp_path / "other")
    theirs = other.token()
    for tail in ("-wal", "-shm"):
        Path(f"{home.home.db}{tail}").unlink(missing_ok=True)
    os.replace(other.home.db, home.home.db)

    assert book.find(mine) is None
    assert book.find(theirs) is not None
    book.close()


def test_with_a_store_that_cannot_be_read_only_the_local_token_is_good(
    home: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    token = home.token()
    home.home.db.write_bytes(b"not a database" * 1000)
    for tail in ("-wal", "-shm"):
        Path(f"{home.home.db}{tail}").unlink(missing_ok=True)
    book = TokenBook(LOCAL, home.home.db)

    assert book.find(token) is None
    assert book.find(token) is None
    assert book.find(LOCAL) is not None
    assert len([r for r in caplog.records if "only the local one" in r.message]) == 1
    assert token not in caplog.text


def test_who_comes_in_the_same_turn_shares_a_look_and_who_comes_later_does_not(home: Keys) -> None:
    later: list[Callable[[], None]] = []
    book = TokenBook(LOCAL, home.home.db, soon=later.append)
    gone = home.token(name="gone")

    assert book.find(gone) is not None
    home.ask("token.revoke", name="gone")
    assert book.find(gone) is not None  # he had come before it was revoked, by this turn's look
    assert len(later) == 1

    later.pop()()
    assert book.find(gone) is None
    assert len(later) == 1
