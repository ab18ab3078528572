"""Delta xDS, rule by rule (Envoy's documentation, "xDS REST and gRPC protocol")."""

from __future__ import annotations

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from gatechat.gateway.delivery.session import TypeSession, Versioned

A1, A2, B1 = Versioned("1", b"a"), Versioned("2", b"aa"), Versioned("1", b"b")


def ask(
    *subscribe: str, unsubscribe: tuple[str, ...] = (), has: dict[str, str] | None = None
) -> DeltaDiscoveryRequest:
    return DeltaDiscoveryRequest(
        resource_names_subscribe=subscribe,
        resource_names_unsubscribe=unsubscribe,
        initial_resource_versions=has or {},
    )


def told(response: DeltaDiscoveryResponse | None) -> tuple[dict[str, str], list[str]] | None:
    """``({name: version}, [removed])``, None when nothing was sent."""
    if response is None:
        return None
    return {r.name: r.version for r in response.resources}, list(response.removed_resources)


def wildcard(resources: dict[str, Versioned], has: dict[str, str] | None = None) -> TypeSession:
    session = TypeSession("t")
    response = session.subscribe(ask(has=has), resources)
    if response is not None:
        assert session.answered(response.nonce, accepted=True)
    return session


def test_a_first_request_without_names_asks_for_everything() -> None:
    session = TypeSession("t")
    assert told(session.subscribe(ask(), {"a": A1, "b": B1})) == ({"a": "1", "b": "1"}, [])
    assert set(session.unanswered.values()) == {frozenset({"a", "b"})}


def test_a_star_asks_for_everything_too() -> None:
    assert told(TypeSession("t").subscribe(ask("*"), {"a": A1})) == ({"a": "1"}, [])


def test_everything_of_nothing_is_an_empty_answer_or_envoy_would_wait() -> None:
    assert told(TypeSession("t").subscribe(ask(), {})) == ({}, [])


def test_named_resources_are_sent_and_missing_ones_named_as_removed() -> None:
    session = TypeSession("t")
    assert told(session.subscribe(ask("a", "x"), {"a": A1, "b": B1})) == ({"a": "1"}, ["x"])
    assert told(session.update({"a": A1, "b": B1})) is None, "b was not asked for"
    assert told(session.update({"a": A1, "x": B1})) == ({"x": "1"}, []), "x was, and now exists"


def test_a_name_that_is_asked_for_again_is_sent_again() -> None:
    session = TypeSession("t")
    session.subscribe(ask("a"), {"a": A1})
    assert told(session.subscribe(ask("a"), {"a": A1})) == ({"a": "1"}, [])


def test_a_name_that_is_unsubscribed_is_not_sent_any_more_and_not_removed() -> None:
    session = TypeSession("t")
    session.subscribe(ask("a", "b"), {"a": A1, "b": B1})
    assert told(session.subscribe(ask(unsubscribe=("a",)), {"a": A1, "b": B1})) is None
    assert told(session.update({"a": A2, "b": B1})) is None
    assert told(session.remove({"b": B1})) is None


def test_only_changes_are_sent_and_removals_apart_from_them() -> None:
    session = wildcard({"a": A1, "b": B1})
    assert told(session.update({"a": A1, "b": B1})) is None
    assert told(session.update({"a": A2})) == ({"a": "2"}, [])
    assert told(session.remove({"a": A2})) == ({}, ["b"])
    assert session.complete({"a": A2})


def test_an_envoy_that_reconnects_is_sent_what_it_has_not() -> None:
    session = TypeSession("t")
    response = session.subscribe(ask(has={"a": "1", "gone": "1"}), {"a": A2, "b": B1})
    assert told(response) == ({"a": "2", "b": "1"}, ["gone"])


def test_an_envoy_that_reconnects_and_has_everything_is_sent_nothing() -> None:
    assert told(TypeSession("t").subscribe(ask(has={"a": "1"}), {"a": A1})) is None
    assert told(TypeSession("t").subscribe(ask("a", has={"a": "1"}), {"a": A1, "b": B1})) is None


def test_after_a_refusal_everything_that_it_touched_is_sent_again() -> None:
    session = wildcard({"a": A1, "b": B1})
    changed = session.update({"a": A2, "c": B1})
    assert changed is not None
    assert session.answered(changed.nonce, accepted=False)
    removed = session.remove({"a": A2, "c": B1})
    assert removed is not None
    assert session.answered(removed.nonce, accepted=False)

    assert told(session.update({"a": A1, "b": B1})) == ({"a": "1", "b": "1"}, [])
    assert told(session.remove({"a": A1, "b": B1})) == ({}, ["c"]), "Envoy may have taken c"


def test_a_name_dropped_before_its_refusal_stays_dropped() -> None:
    session = TypeSession("t")
    response = session.subscribe(ask("a", "b"), {"a": A1})
    assert response is not None
    session.subscribe(ask(unsubscribe=("a",)), {"a": A1})
    session.answered(response.nonce, accepted=False)
    assert told(session.remove({})) == ({}, ["b"])


def test_an_answer_to_no_response_of_this_stream_is_nobodys() -> None:
    assert not wildcard({}).answered("999", accepted=False)


def test_the_same_resources_are_sent_in_the_same_order() -> None:
    one = TypeSession("t").subscribe(ask(), {"a": A1, "b": B1})
    other = TypeSession("t").subscribe(ask(), {"b": B1, "a": A1})
    assert one == other
