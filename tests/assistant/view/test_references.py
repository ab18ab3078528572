"""Who refers to whom."""

from __future__ import annotations

from gatechat.assistant.view.references import references
from tests.assistant.view.rig import configuration


def test_users_and_broken_references_are_named_from_both_sides() -> None:
    split = {"rules": [{"weighted_upstreams": [{"upstream_id": "u"}, {"weight": 1}]}]}
    found = references(
        configuration(
            upstreams={"u": {}, "lonely": {}},
            services={"s": {"upstream_id": "gone"}},
            routes={
                "1": {"upstream_id": "u", "service_id": "s"},
                "2": {"plugins": {"traffic-split": split}},
                "3": {"upstream_id": 7, "upstream": {"tls": {"client_cert_id": "c"}}},
            },
            consumers={"jack": {"group_id": "g"}},
            consumer_groups={"g": {}},
        )
    )
    assert found.used == {
        ("upstreams", "u"): ["routes/1", "routes/2"],
        ("services", "s"): ["routes/1"],
        ("consumer_groups", "g"): ["consumers/jack"],
    }
    assert found.broken == {
        ("services", "s"): ["upstreams/gone"],
        ("routes", "3"): ["ssls/c", "upstreams/7"],
    }
