"""Jobs that ask and change nothing."""

from __future__ import annotations

from tests.jobs.job import job
from tests.jobs.model import Model
from tests.jobs.outside import Outside


@job("Which of our routes can be reached without authentication?", "key-auth")
async def open_routes(model: Model, outside: Outside) -> None:
    await outside.put("services/guarded", {"plugins": {"key-auth": {}}, "upstream": outside.upstream()})
    await outside.route("status-page", "/status")
    await outside.route("orders", "/orders", plugins={"key-auth": {}})
    await outside.route("invoices", "/invoices", service_id="guarded")
    answer = await model.ask("find", kind="routes", where={"holds": "reachable without authentication"})
    said = int(answer.find(r"(\d+) of \d+ routes?"))
    routes = await outside.all("routes")
    guarded = [value for value in routes.values() if _asks(value) or value.get("service_id") == "guarded"]
    assert said == len(routes) - len(guarded)
    assert (await outside.get("/orders")).status_code == 401
    if len(routes) < 20:
        assert "status-page" in answer.text
        assert "invoices" not in answer.text


def _asks(value: dict[str, object]) -> bool:
    plugins = value.get("plugins")
    return isinstance(plugins, dict) and "key-auth" in plugins


@job("Why does GET /pay answer 404?")
async def why_404(model: Model, outside: Outside) -> None:
    await outside.route("pay", "/pay", methods=["POST"], hosts=["shop.example"])
    await outside.answers("/pay", 404)
    answer = await model.ask("explain_request", url="http://shop.example/pay", method="GET")
    answer.find(r"(No route answers)")
    answer.find(r"(pay: takes POST, not GET)")
    assert (await outside.get("/pay", "POST", host="shop.example")).status_code == 200


@job("Who changed the payment route?")
async def who_changed(model: Model, outside: Outside) -> None:
    await outside.route("payment", "/payment")
    change = await model.change(
        "PSP-7: payments may take longer",
        {"action": "merge", "kind": "routes", "id": "payment", "value": {"timeout": _slow()}},
    )
    model.begin()  # that was somebody else, earlier
    answer = await model.ask("history", resource="routes/payment")
    assert answer.find(r"by (\S+?)/mcp") == outside.recorded(change).by
    answer.find(r"(PSP-7)")


def _slow() -> dict[str, int]:
    return {"connect": 5, "send": 30, "read": 30}


@job("Find who uses the plugin limit-count.", "limit-count")
async def who_uses_a_plugin(model: Model, outside: Outside) -> None:
    limit = {"limit-count": {"count": 5, "time_window": 60, "key_type": "var", "key": "remote_addr"}}
    await outside.put("services/limited", {"plugins": limit, "upstream": outside.upstream()})
    await outside.route("search", "/search", service_id="limited")
    await outside.route("upload", "/upload", plugins=limit)
    await outside.route("free", "/free")
    key = {"key-auth": {"key": "the-crawlers-key"}}  # before 3.11, consumers must have one
    await outside.put("consumers/crawler", {"username": "crawler", "plugins": limit | key})
    answer = await model.ask("find", kind="routes", where={"plugin": "limit-count"})
    routes = await outside.all("routes")
    own = [path for path, value in routes.items() if "limit-count" in (value.get("plugins") or {})]
    assert int(answer.find(r"(\d+) of \d+ routes?")) == len(own) + 1  # and the service's
    answer.find(r"(Also written in services/limited, consumers/crawler)")
    if len(routes) < 20:
        answer.find(r"(search .*service)")
        assert "free" not in answer.text


@job("What breaks if I delete upstream 5?")
async def what_breaks(model: Model, outside: Outside) -> None:
    await outside.put("upstreams/5", {"name": "stock", **outside.upstream()})
    await outside.route("stock", "/stock", upstream_id="5")
    await outside.put("services/prices", {"upstream_id": "5"})
    await outside.route("prices", "/prices", service_id="prices")
    delete = {"action": "delete", "kind": "upstreams", "id": "5"}
    answer = await model.call("plan", reason="to see what would break", operations=[delete])
    for user in ("routes/stock", "services/prices", "/prices"):
        assert user in answer.text, user
    assert await outside.stored("upstreams/5")
    assert (await outside.answers("/stock", 200)).status_code == 200


@job("Is the gateway healthy, and how is the traffic?", "prometheus")
async def health(model: Model, outside: Outside) -> None:
    await outside.put("global_rules/metrics", {"plugins": {"prometheus": {}}})
    await outside.route("busy", "/busy")
    await outside.answers("/busy", 200)
    await outside.until(lambda: outside.counted("/busy", "busy"), "the metrics do not name the route", 40)
    overview = await model.ask("overview")
    overview.find(r"(\d+) route")
    traffic = await model.ask("traffic", seconds=0)
    assert int(traffic.find(r"busy: (\d+)")) >= 1
