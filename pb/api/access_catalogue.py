"""The part of the registry that is about the gateway's tokens, the audit trail and the settings."""

from __future__ import annotations

from pb.api import audit, configuration, tokens
from pb.api.registry import Method, Param

SOME = Param("string", None)

ACCESS_METHODS: tuple[Method, ...] = (
    Method(
        name="token.create",
        summary="Make a token for the gateway; the answer is the only place where it ever stands",
        scope="write",
        params={"name": SOME, "scope": Param("string", "read"), "expires": SOME},
        call=tokens.token_create,
        is_for_admins=True,
    ),
    Method(
        name="token.list",
        summary="The tokens that there are and were, without the tokens themselves",
        scope="read",
        call=tokens.token_list,
        is_for_admins=True,
    ),
    Method(
        name="token.revoke",
        summary="Make a token good for nothing, by name or number",
        scope="write",
        params={"name": Param("string")},
        call=tokens.token_revoke,
        is_for_admins=True,
    ),
    Method(
        name="audit.list",
        summary="Who has changed what: the newest changes that match",
        scope="read",
        params={
            "n": Param("integer", 50),
            "since": SOME,
            "until": SOME,
            "actor": SOME,
            "method": SOME,
            "target": SOME,
            "before": Param("integer", None),
        },
        call=audit.audit_list,
        is_for_admins=True,
    ),
    Method(
        name="config.show",
        summary="Every setting in effect, and where it came from",
        scope="read",
        call=configuration.config_show,
        is_for_admins=True,
    ),
)
