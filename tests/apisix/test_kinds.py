"""The table of kinds is whole and agrees with itself."""

from __future__ import annotations

from gatechat.apisix.kinds import KINDS, WRITE_ORDER
from gatechat.apisix.secret_fields import PLUGIN_SECRETS


def test_every_kind_has_a_place_in_the_order_of_writing() -> None:
    assert sorted(WRITE_ORDER) == sorted(KINDS)


def test_what_is_referred_to_is_written_first() -> None:
    for kind in KINDS.values():
        for reference in kind.references:
            assert WRITE_ORDER.index(reference.to) < WRITE_ORDER.index(kind.plural)


def test_references_are_fields_of_the_schema() -> None:
    for kind in KINDS.values():
        schema = kind.json_schema or {}
        for reference in kind.references:
            fields = schema
            for name in reference.field.split("."):
                fields = fields["properties"][name]


def test_who_uses_a_kind_is_a_kind() -> None:
    for kind in KINDS.values():
        assert {user.kind for user in kind.users} <= set(KINDS)


def test_keys_are_those_of_apisix() -> None:
    assert KINDS["routes"].key("1") == "/apisix/routes/1"
    assert KINDS["credentials"].key("jack/credentials/c1") == "/apisix/consumers/jack/credentials/c1"
    assert KINDS["secrets"].key("vault/1") == "/apisix/secrets/vault/1"


def test_the_keys_of_consumers_are_secret() -> None:
    assert PLUGIN_SECRETS["key-auth"] == ("key",)
