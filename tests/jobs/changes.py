"""Jobs that change something."""

from __future__ import annotations

from typing import Any, Final

from tests.jobs.job import job
from tests.jobs.model import Model
from tests.jobs.outside import Outside, key_on

JACKS_KEY: Final = "jacks-key-of-a-test"


def merge(kind: str, id: str, **value: Any) -> dict[str, Any]:
    return {"action": "merge", "kind": kind, "id": id, "value": value}


def limit(count: int, **more: Any) -> dict[str, Any]:
    return {"limit-count": {"count": count, "time_window": 60, "rejected_code": 429} | more}


@job(
    "Put the Conference API behind the gateway at /speaker, ask for an API key, 10 requests a minute.",
    "key-auth",
    "limit-count",
)
async def publish(model: Model, outside: Outside) -> None:
    route = {
        "name": "conference",
        "uri": "/speaker/*",
        "upstream": outside.backends[0],
        "plugins": {"key-auth": {}, **limit(10, key_type="var", key="consumer_name")},
    }
    create = {"action": "create", "kind": "routes", "value": route}
    plan = await model.plan("publish the Conference API", create)
    applied = await model.ask("apply", plan=plan.plan)
    applied.find(r"(undo)")
    await outside.answers("/speaker/1/sessions", 401)
    stored = await outside.stored("routes/conference")
    assert stored
    assert stored["plugins"]["limit-count"]["count"] == 10
    assert outside.backends[0] in stored["upstream"]["nodes"]
    outside.recorded(plan.plan)


@job(
    "Give all 24 routes labelled team=checkout a request id and a limit of 100 a minute.",
    "request-id",
    "limit-count",
)
async def many_routes(model: Model, outside: Outside) -> None:
    for number in range(24):
        await outside.route(f"checkout-{number}", f"/checkout/{number}", labels={"team": "checkout"})
    await outside.route("basket", "/basket", labels={"team": "basket"})
    plugins = {"request-id": {}, **limit(100, key_type="var", key="remote_addr")}
    every = {
        "action": "merge",
        "kind": "routes",
        "where": {"label": "team=checkout"},
        "value": {"plugins": plugins},
    }
    plan = await model.plan("trace and limit the checkout", every)
    assert int(plan.find(r"Selected: (\d+) routes")) == 24
    await model.ask("apply", plan=plan.plan)
    routes = await outside.all("routes")
    ours = [value for value in routes.values() if value.get("labels") == {"team": "checkout"}]
    assert len(ours) == 24
    assert all(value["plugins"].keys() == {"request-id", "limit-count"} for value in ours)
    assert "plugins" not in routes["routes/basket"]
    await outside.until(lambda: _has(outside, "/checkout/7", "x-request-id"), "no request id")
    outside.recorded(plan.plan)


async def _has(outside: Outside, path: str, header: str, **headers: str) -> bool:
    return header in (await outside.get(path, **headers)).headers


@job("Roll back what was done this morning.")
async def roll_back(model: Model, outside: Outside) -> None:
    await outside.route("news", "/news")
    await outside.route("blog", "/blog")
    for id in ("news", "blog"):
        await model.change(f"{id} has moved", merge("routes", id, uri=f"/{id}-2"))
    await outside.answers("/news-2", 200)
    model.begin()  # that was this morning
    morning = await model.ask("history", limit=2)
    first, second = (morning.find(p) for p in (r"(?m)^\S+Z (\w+) applied", r"(?ms)^\S+Z \w+ .*?^\S+Z (\w+)"))
    for change in (first, second):
        back = await model.ask("undo", change=change)
        await model.ask("apply", plan=back.plan)
    await outside.answers("/news", 200)
    await outside.answers("/blog", 200)
    await outside.answers("/news-2", 404)
    outside.recorded(back.plan)


@job("Add a second node to the upstream of the shop, with a third of the traffic.")
async def second_node(model: Model, outside: Outside) -> None:
    await outside.put("upstreams/shop", {"name": "shop", **outside.upstream()})
    await outside.route("shop", "/shop", upstream_id="shop")
    there = await model.ask("get", kind="upstreams", id="shop", fields=["nodes"])
    node = there.find(r'"([^"]+:\d+)"')
    nodes = {node: 2, outside.backends[1]: 1}
    change = await model.change("a second node", merge("upstreams", "shop", nodes=nodes))
    stored = await outside.stored("upstreams/shop")
    assert stored
    assert stored["nodes"] == nodes
    if outside.backends[0] != outside.backends[1]:
        await outside.until(lambda: _both(outside, "/shop"), "the second node gets nothing")
    outside.recorded(change)


async def _both(outside: Outside, path: str) -> bool:
    ports = {(await outside.get(path)).json()["port"] for _ in range(6)}
    return len(ports) == 2


@job(
    "Make a consumer for our mobile app with a generated key that I alone see.",
    "key-auth",
    on_page=True,
    credentials=True,
)
async def generated_key(model: Model, outside: Outside) -> None:
    await outside.route("app", "/app", plugins={"key-auth": {}})
    consumer = {"action": "create", "kind": "consumers", "value": {"username": "mobile"}}
    credential = {
        "action": "create",
        "kind": "credentials",
        "id": "mobile/credentials/key",
        "value": {"plugins": {"key-auth": {"key": "[generate]"}}},
    }
    plan = await model.plan("a key for the mobile app", consumer, credential)
    waits = await model.ask("apply", plan=plan.plan)
    key = key_on(await outside.approves(waits.find(r"(http\S+/plans/\w+)")))
    state = await model.ask("plan_state", plan=plan.plan)
    state.find(r"(Applied)")
    await outside.answers("/app", 401)
    await outside.answers("/app", 200, apikey=key)
    outside.recorded(plan.plan)
    assert key not in outside.written_down()


@job("Move /v1 to /v2, and redirect those who still ask for /v1.", "redirect")
async def move(model: Model, outside: Outside) -> None:
    await outside.route("api", "/v1/*")
    found = await model.ask("find", kind="routes", where={"path": "/v1/*"})
    id = found.find(r"(?m)^(\S+).*\| /v1/\*")
    old = {
        "name": "v1-moved",
        "uri": "/v1/*",
        "plugins": {"redirect": {"regex_uri": ["^/v1/(.*)", "/v2/$1"], "ret_code": 301}},
    }
    change = await model.change(
        "v1 is now v2",
        merge("routes", id, uri="/v2/*"),
        {"action": "create", "kind": "routes", "value": old},
    )
    moved = await outside.answers("/v1/a", 301)
    assert moved.headers["location"].endswith("/v2/a")
    await outside.answers("/v2/a", 200)
    outside.recorded(change)


@job("Delete the test routes.")
async def delete_test_routes(model: Model, outside: Outside) -> None:
    for number in range(3):
        await outside.route(f"test-{number}", f"/test/{number}", labels={"env": "test"})
    await outside.route("contest", "/contest", labels={"env": "live"})
    found = await model.ask("find", kind="routes", where={"label": "env=test"})
    assert int(found.find(r"(\d+) of \d+ routes?")) == 3
    change = await model.change(
        "the tests are over", {"action": "delete", "kind": "routes", "where": {"label": "env=test"}}
    )
    await outside.answers("/test/1", 404)
    assert await outside.stored("routes/contest")
    assert not [path for path in await outside.all("routes") if path.startswith("routes/test-")]
    outside.recorded(change)


@job("Our backend wants a client certificate. Here it is; its key I enter myself.")
async def certificate(model: Model, outside: Outside) -> None:
    cert, key = _certificate("gateway.example")
    await outside.put("upstreams/bank", {"name": "bank", **outside.upstream(), "scheme": "https"})
    ssl = {"type": "client", "cert": cert, "key": "[enter]"}
    plan = await model.plan(
        "the bank asks for a client certificate",
        {"action": "create", "kind": "ssls", "id": "gateway", "value": ssl},
        merge("upstreams", "bank", tls={"client_cert_id": "gateway"}),
    )
    waits = await model.ask("apply", plan=plan.plan)
    await outside.approves(waits.find(r"(http\S+/plans/\w+)"), {".key": key})
    (await model.ask("plan_state", plan=plan.plan)).find(r"(Applied)")
    stored = await outside.stored("upstreams/bank")
    assert stored
    assert stored["tls"]["client_cert_id"] == "gateway"  # older APISIX store defaults beside it
    assert await outside.stored("ssls/gateway")
    outside.recorded(plan.plan)
    assert key.splitlines()[2] not in outside.written_down()


def _certificate(name: str) -> tuple[str, str]:
    """A certificate that signs itself, and its key, as PEM."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.TraditionalOpenSSL
    written = key.private_bytes(pem, plain, serialization.NoEncryption())
    return made.public_bytes(pem).decode(), written.decode()


@job("Send 10 % of the traffic of the cart to the new version.")
async def canary(model: Model, outside: Outside) -> None:
    await outside.route("cart", "/cart/*")
    there = await model.ask("get", kind="routes", id="cart", fields=["upstream", "plugins"])
    node = there.find(r'"nodes": \{"([^"]+)"')
    nodes = {node: 9, outside.backends[1]: 1}
    change = await model.change("canary, 10 %", merge("routes", "cart", upstream={"nodes": nodes}))
    stored = await outside.stored("routes/cart")
    assert stored
    assert stored["upstream"]["nodes"] == nodes
    await outside.answers("/cart/1", 200)
    outside.recorded(change)


@job("Turn off the route for the reports while we do maintenance.")
async def turn_off(model: Model, outside: Outside) -> None:
    await outside.route("7", "/reports/*", name="reports")
    change = await model.change("maintenance", merge("routes", "reports", status=0))
    await outside.answers("/reports/1", 404)
    stored = await outside.stored("routes/7")
    assert stored
    assert stored["status"] == 0
    outside.recorded(change)


@job("Rename the route legacy-login to login.")
async def rename(model: Model, outside: Outside) -> None:
    await outside.route("8", "/login", name="legacy-login")
    change = await model.change("a better name", merge("routes", "legacy-login", name="login"))
    stored = await outside.stored("routes/8")
    assert stored
    assert (stored["name"], stored["uri"]) == ("login", "/login")
    await outside.answers("/login", 200)
    outside.recorded(change)


@job(
    "The rate limit is too strict for one consumer, jack: give him 1000 a minute.",
    "key-auth",
    "limit-count",
    credentials=True,
)
async def one_consumer(model: Model, outside: Outside) -> None:
    strict = {"key-auth": {}, **limit(2, key_type="var", key="consumer_name")}
    await outside.route("quotes", "/quotes", plugins=strict)
    await outside.put("consumers/jack", {"username": "jack"})
    await outside.put("consumers/jack/credentials/k", {"plugins": {"key-auth": {"key": JACKS_KEY}}})
    await outside.answers("/quotes", 401)
    now = await model.ask("get", kind="routes", id="quotes", consumer="jack", fields=["plugins.limit-count"])
    assert int(now.find(r'"count": (\d+)')) == 2
    generous = limit(1000, key_type="var", key="consumer_name")
    change = await model.change("jack needs more", merge("consumers", "jack", plugins=generous))
    await outside.until(lambda: _all_pass(outside), "jack is still limited to 2")
    outside.recorded(change)


async def _all_pass(outside: Outside) -> bool:
    return {(await outside.get("/quotes", apikey=JACKS_KEY)).status_code for _ in range(4)} == {200}


@job("Allow our page https://app.example to call the API (CORS).", "cors")
async def allow_page(model: Model, outside: Outside) -> None:
    await outside.route("api", "/api/*")
    cors = {
        "allow_origins": "https://app.example",
        "allow_methods": "GET,POST",
        "allow_headers": "content-type",
    }
    change = await model.change("our page calls the API", merge("routes", "api", plugins={"cors": cors}))
    header = "access-control-allow-origin"
    await outside.until(lambda: _has(outside, "/api/1", header, origin="https://app.example"), "no CORS")
    assert not await _has(outside, "/api/1", header, origin="https://evil.example")
    outside.recorded(change)


@job("Let only our network 10.0.0.0/8 reach the admin paths.", "ip-restriction")
async def restrict_admin(model: Model, outside: Outside) -> None:
    for name in ("users", "billing"):
        await outside.route(f"admin-{name}", f"/admin/{name}")
    await outside.route("public", "/public")
    found = await model.ask("find", kind="routes", where={"path": "/admin*"})
    assert int(found.find(r"(\d+) of \d+ routes?")) == 2
    only = {"ip-restriction": {"whitelist": ["10.0.0.0/8"]}}
    change = await model.change(
        "admin paths from our network only",
        {"action": "merge", "kind": "routes", "where": {"path": "/admin*"}, "value": {"plugins": only}},
    )
    await outside.answers("/admin/users", 403)
    await outside.answers("/admin/billing", 403)
    await outside.answers("/public", 200)
    outside.recorded(change)
