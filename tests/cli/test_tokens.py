"""``pb gateway pair|tokens|revoke`` and ``pb audit``, as a person types them."""

from __future__ import annotations

import json

from tests.kit.cli import Cli


def test_pair_prints_the_token_alone_and_once(pb: Cli) -> None:
    made = pb("gateway", "pair", "--name", "laptop", "--scope", "write", "--expires", "90d")
    token = made.out.strip()

    assert token.startswith("pb_")
    assert made.out.count("\n") == 1
    assert "only this once" in made.err
    listed = pb("gateway", "tokens")
    assert "laptop" in listed.out
    assert token not in listed.out
    assert token not in pb("audit").out


def test_revoke_and_tokens_tell_the_truth_in_json(pb: Cli) -> None:
    pb("gateway", "pair", "--json")
    revoked = json.loads(pb("gateway", "revoke", "1", "--json").out)
    again = pb("gateway", "revoke", "read-1")
    [token] = json.loads(pb("gateway", "tokens", "--json").out)["tokens"]

    assert revoked["changed"] is True
    assert "already" in again.out
    assert again.code == 0
    assert token["state"] == "revoked"


def test_unknown_tokens_and_scopes_have_their_exit_codes(pb: Cli) -> None:
    assert pb("gateway", "revoke", "nobody").code == 5
    assert pb("gateway", "pair", "--scope", "root").code == 6


def test_audit_shows_who_changed_what(pb: Cli) -> None:
    assert "No changes yet" in pb("audit").out
    pb("job", "add", "backup", "--", "true")
    pb("job", "pause", "backup")

    shown = pb("audit").out
    changes = json.loads(pb("audit", "--method", "job.pause", "--json").out)["changes"]

    assert "job.add" in shown
    assert "cli:" in shown
    assert [change["target"] for change in changes] == ["backup"]
    assert "No changes match" in pb("audit", "--actor", "nobody").out
    assert pb("audit", "--since", "yesterday").out == shown
    refused = pb("audit", "--since", "someday")
    assert (refused.code, "neither a duration nor an instant" in refused.err) == (2, True)
