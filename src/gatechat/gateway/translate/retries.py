"""Which failed requests are sent to another node, and how long a silent one is waited for."""

from __future__ import annotations

from collections.abc import Sequence

from envoy.config.route.v3 import route_components_pb2 as pb
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.extensions.retry.priority.previous_priorities.v3 import previous_priorities_config_pb2
from google.protobuf.wrappers_pb2 import UInt32Value

from gatechat.gateway.translate.upstreams import DEFAULT_TIMEOUT, Upstream
from gatechat.gateway.translate.values import duration

NOT_IDEMPOTENT = ("POST", "PATCH", "LOCK")
"""Methods that are never sent twice once an upstream may have seen them: nginx's proxy_next_upstream."""

_UNSEEN = "connect-failure,reset-before-request"
_PAUSE = 0.001
"""Seconds between two tries. nginx has none, Envoy needs one."""

_LOOKS_FOR_ANOTHER_NODE = 2000
"""How often a retry asks the balancer for a node not tried yet; one of weight 1,000 hides the others long."""


def wait_and_retry(action: pb.RouteAction, upstream: Upstream, read: float, *, idempotent: bool) -> None:
    """``read`` seconds without a byte are a 504, or the end of a try where there are more.

    With ``retry_timeout`` no try begins after it, hence none ends later than ``read`` seconds after it.
    """
    retries = upstream.retries
    if retries <= 0:
        if read != DEFAULT_TIMEOUT:
            action.idle_timeout.CopyFrom(duration(read))
        return
    policy = action.retry_policy
    policy.retry_on = f"{_UNSEEN},reset" if idempotent else _UNSEEN
    policy.num_retries.CopyFrom(UInt32Value(value=retries))
    policy.per_try_idle_timeout.CopyFrom(duration(read))
    policy.retry_back_off.base_interval.CopyFrom(duration(_PAUSE))
    policy.host_selection_retry_max_attempts = _LOOKS_FOR_ANOTHER_NODE
    other = policy.retry_host_predicate.add(name="envoy.retry_host_predicates.previous_hosts")
    other.typed_config.Pack(previous_hosts_pb2.PreviousHostsPredicate())
    levels = upstream.levels
    if len(levels) > 1:
        policy.retry_priority.name = "envoy.retry_priorities.previous_priorities"
        policy.retry_priority.typed_config.Pack(
            previous_priorities_config_pb2.PreviousPrioritiesConfig(update_frequency=levels[0])
        )
    longest = read * (retries + 1)
    if retry_timeout := upstream.conf.get("retry_timeout"):
        longest = min(longest, retry_timeout + read)
    action.idle_timeout.CopyFrom(duration(longest + 1))


def variants(upstream: Upstream, methods: Sequence[str]) -> tuple[bool, ...]:
    """Which routes are needed: for methods that are idempotent (True), that are not (False), or both."""
    if upstream.retries <= 0:
        return (True,)
    kinds = {method not in NOT_IDEMPOTENT for method in methods} if methods else {True, False}
    return tuple(sorted(kinds))
