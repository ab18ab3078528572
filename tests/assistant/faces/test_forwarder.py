"""/apisix/admin/… goes through both ways as it is; nothing else goes anywhere."""

from __future__ import annotations

import json
import logging

import httpx2
import pytest

from gatechat.apisix.kinds import LARGEST_BODY
from tests.assistant import rig
from tests.assistant.conftest import Talk
from tests.conftest import ADMIN_KEY, GatewayUnderTest


async def test_path_query_and_headers_arrive_as_sent(talk: Talk) -> None:
    target = "/apisix/admin/routes/r.1_a-b%3A80?page=1&filter=service_id%3D1&label=&x"
    await talk.client.get(target, headers={"accept": "application/json"})
    [asked] = talk.admin.asked
    assert (asked.method, f"{asked.path}?{asked.query}") == ("GET", target)
    assert asked.headers["accept"] == "application/json"


async def test_a_check_is_passed_on_as_sent(talk: Talk) -> None:
    headers = {"content-type": "application/yaml", "accept": "application/json"}
    body = b"routes: [{uri: /\xc3\xa9}]"
    await talk.client.post("/apisix/admin/configs/validate?x", headers=headers, content=body)
    [asked] = talk.admin.asked
    assert (asked.method, asked.path, asked.query) == ("POST", "/apisix/admin/configs/validate", "x")
    assert asked.body == body
    assert asked.headers["content-type"] == "application/yaml"


CHECK = "/apisix/admin/schema/validate/routes"


@pytest.mark.parametrize("status", [200, 201, 400, 401, 404, 405, 500, 503])
async def test_status_body_and_content_type_come_back_as_answered(talk: Talk, status: int) -> None:
    talk.admin.status, talk.admin.body = status, b'{ "list" : [ {"value":{"x":1.50,"y":"\\u00e9"}} ] }\n'
    talk.admin.headers = {"content-type": "application/json; charset=utf-8", "x-api-version": "v3"}
    answer = await talk.client.get("/apisix/admin/routes")
    assert (answer.status_code, answer.content) == (status, talk.admin.body)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["x-api-version"] == "v3"


async def test_an_error_that_is_no_json_comes_back_and_a_good_answer_that_is_none_does_not(
    talk: Talk,
) -> None:
    talk.admin.body, talk.admin.headers = b"<html>\xff", {"content-type": "text/html"}
    talk.admin.status = 503
    answer = await talk.client.get("/apisix/admin/routes")
    assert (answer.status_code, answer.content) == (503, talk.admin.body)
    talk.admin.status = 200
    answer = await talk.client.get("/apisix/admin/routes")
    assert answer.status_code == 502
    assert "nobody knows what is secret" in answer.json()["error_msg"]


async def test_a_warning_of_the_gateway_comes_back(talk: Talk) -> None:
    talk.admin.headers |= {"x-gatechat-warning": "not acknowledged"}
    answer = await talk.client.get("/apisix/admin/routes/1")
    assert answer.headers["x-gatechat-warning"] == "not acknowledged"


async def test_an_answer_without_a_body_or_type_stays_without(talk: Talk) -> None:
    talk.admin.status, talk.admin.body, talk.admin.headers = 204, b"", {}
    answer = await talk.client.get("/apisix/admin/routes/1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers


async def test_what_chatgpt_cannot_read_it_must_ask_for_in_pages(talk: Talk) -> None:
    rows = [{"key": f"/apisix/routes/{n}", "value": {"uri": f"/{n:090}"}} for n in range(1000)]
    talk.admin.body = json.dumps({"list": rows, "total": 1000}).encode()
    assert (await talk.client.get("/apisix/admin/routes")).content == talk.admin.body
    answer = await talk.client.get("/apisix/admin/routes", headers={"openai-conversation-id": "c"})
    assert answer.status_code == 400
    assert "page=1&page_size=20" in answer.json()["error_msg"]


async def test_a_redirect_is_passed_back_and_not_followed(talk: Talk) -> None:
    talk.admin.status, talk.admin.headers = 302, {"location": "http://127.0.0.1:1/elsewhere"}
    answer = await talk.client.get("/apisix/admin/routes")
    assert answer.status_code == 302
    assert "location" not in answer.headers
    assert len(talk.admin.asked) == 1


async def test_the_admin_key_is_ours_and_no_other(talk: Talk) -> None:
    headers = {"x-api-key": "callers", "cookie": "x_api_key=callers", "X_API_KEY": "callers"}
    await talk.client.get("/apisix/admin/routes?api_key=callers&page=2&API%5FKEY=callers", headers=headers)
    [asked] = talk.admin.asked
    assert asked.headers["x-api-key"] == rig.KEY
    assert asked.query == "page=2"
    assert "callers" not in str(asked)


async def test_only_a_few_headers_go_either_way(talk: Talk) -> None:
    talk.admin.headers |= {
        "set-cookie": "session=1",
        "access-control-allow-origin": "*",
        "server": "APISIX/3.18.0",
        "x-powered-by": "etcd",
        "keep-alive": "timeout=5",
    }
    sent = {
        "authorization": "Bearer x",
        "x-forwarded-for": "1.2.3.4",
        "te": "trailers",
        "origin": "http://localhost",
    }
    for _ in range(2):
        answer = await talk.client.get("/apisix/admin/routes", headers=sent)
    assert not {"set-cookie", "x-powered-by", "keep-alive", "server"} & set(answer.headers)
    assert answer.headers["access-control-allow-origin"] == "http://localhost"
    for asked in talk.admin.asked:
        assert set(asked.headers) <= {"host", "accept", "accept-encoding", "user-agent", "x-api-key"}


PATH_TRICKS = [
    "/apisix/admin/../secret",
    "/apisix/admin/routes/../../../secret",
    "/apisix/admin/.",
    "/apisix/admin/..",
    "/apisix/admin/./routes",
    "/apisix/admin/%2e%2e/secret",
    "/apisix/admin/%2E%2E%2Fsecret",
    "/apisix/admin/.%2e/secret",
    "/apisix/admin/%252e%252e/secret",
    "/apisix/admin/routes%2f..%2fsecret",
    "/apisix/admin/routes%5c..%5csecret",
    "/apisix/admin/..\\secret",
    "/apisix/admin/routes\\1",
    "/apisix/admin//routes",
    "/apisix/admin//evil.example/routes",
    "/apisix/admin/routes/%00",
    "/apisix/admin/routes/1%0d%0aX-Evil:1",
    "/apisix/admin/routes/1%",
    "/apisix/admin/routes/%zz",
    "/apisix/admin/routes#fragment",
    '/apisix/admin/"routes"',
    "/apisix/admin/%72outes/%2e%2e",
    "/%61pisix/admin/routes",
    "/apisix%2fadmin%2froutes",
    "/apisix/%61dmin/routes",
    "//apisix/admin/routes",
    "/./apisix/admin/routes",
    "/x/../apisix/admin/routes",
    "/apisix/admin",
    "/apisix/adminx/routes",
    "/apisix/prometheus/metrics",
    "/apisix",
    "/APISIX/ADMIN/routes",
    "/routes",
    "http://127.0.0.1:9180/apisix/admin/routes",
    "http://localhost/apisix/admin/routes",
    "https://evil.example/apisix/admin/routes",
    "evil.example:443",
    "*",
    "apisix/admin/routes",
]


@pytest.mark.parametrize("target", PATH_TRICKS)
async def test_a_path_trick_reaches_nothing(talk: Talk, target: str) -> None:
    answer = await talk.raw(f"GET {target} HTTP/1.1\nHost: localhost\n\n".encode())
    assert answer.status in (400, 404)
    assert json.loads(answer.body)["error_msg"]
    assert talk.admin.asked == []


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "HEAD", "OPTIONS", "PURGE"])
async def test_other_methods_are_refused_with_those_that_are_taken(talk: Talk, method: str) -> None:
    answer = await talk.client.request(method, "/apisix/admin/routes")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST, PUT, PATCH, DELETE, OPTIONS"
    assert talk.admin.asked == []


@pytest.mark.parametrize("query", ["a=#", 'a="\x7f'])
async def test_a_query_that_is_none_is_refused(talk: Talk, query: str) -> None:
    answer = await talk.raw(f"GET /apisix/admin/routes?{query} HTTP/1.1\nHost: localhost\n\n".encode())
    assert answer.status == 400
    assert talk.admin.asked == []


async def test_requests_glued_together_are_read_as_one_server_reads_them(talk: Talk) -> None:
    smuggled = b"GET /secret HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = f"POST {CHECK} HTTP/1.1\nHost: localhost\nContent-Length: {len(smuggled)}\n"
    answer = await talk.raw(head.encode() + b"Transfer-Encoding: chunked\n\n0\n\n" + smuggled)
    assert answer.status in (200, 400)
    assert all(asked.path == CHECK for asked in talk.admin.asked)


async def test_a_body_up_to_the_limit_passes_and_one_byte_more_does_not(talk: Talk) -> None:
    assert (await talk.client.post(CHECK, content=b" " * LARGEST_BODY)).status_code == 200
    answer = await talk.client.post(CHECK, content=b" " * (LARGEST_BODY + 1))
    assert answer.status_code == 413
    assert f"{LARGEST_BODY} bytes" in answer.json()["error_msg"]


async def test_ten_megabytes_are_refused_and_the_caller_hears_why(talk: Talk) -> None:
    answer = await talk.client.put("/apisix/admin/routes/1", content=b"x" * 10_000_000)
    assert answer.status_code == 413
    assert talk.admin.asked == []


async def test_a_chunked_body_is_counted_too(talk: Talk) -> None:
    chunk = b"186a0\n" + b"x" * 100_000 + b"\n"
    head = b"POST /apisix/admin/configs/validate HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n"
    assert (await talk.raw(head + chunk * 20 + b"0\n\n")).status == 413
    assert (await talk.raw(head + chunk * 2 + b"0\n\n")).status == 200
    assert [len(asked.body) for asked in talk.admin.asked] == [200_000]


async def test_a_compressed_body_is_refused(talk: Talk) -> None:
    answer = await talk.client.put(
        "/apisix/admin/routes/1", content=b"x", headers={"content-encoding": "gzip"}
    )
    assert answer.status_code == 415
    assert talk.admin.asked == []


async def test_an_admin_api_that_takes_too_long_is_a_504() -> None:
    admin = rig.AdminStandIn()
    admin.go.clear()
    async with (
        rig.serving(admin) as admin_port,
        rig.assistant(admin_port, timeout=0.2) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        answer = await client.get("/apisix/admin/routes/1")
        admin.go.set()
    assert answer.status_code == 504
    assert "Nothing was changed" in answer.json()["error_msg"]


async def test_a_body_that_does_not_come_is_a_408() -> None:
    async with rig.assistant(rig.free_port(), timeout=0.2) as port:
        request = b"PUT /apisix/admin/routes/1 HTTP/1.1\nHost: localhost\nContent-Length: 10\n\nhalf"
        answer = await rig.raw(port, request)
    assert answer.status == 408


async def test_an_admin_api_that_is_away_is_a_502_that_says_what_to_check() -> None:
    nobody = rig.free_port()
    async with (
        rig.assistant(nobody) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        answer = await client.get("/apisix/admin/routes")
    assert answer.status_code == 502
    text = answer.json()["error_msg"]
    assert f"http://127.0.0.1:{nobody}" in text
    assert "gatechat doctor" in text
    assert "--admin-url" in text
    assert rig.KEY not in text


async def test_no_log_has_a_secret(gateway: GatewayUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        rig.assistant(gateway.gateway.admin_url, admin_key=ADMIN_KEY, token="secret-token") as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        await client.put(
            "/apisix/admin/consumers/a?ttl=5&token=secret-query",
            headers={"authorization": "Bearer secret-token", "x-api-key": "secret-key"},
            json={"username": "a", "plugins": {"key-auth": {"key": "secret-body"}}},
        )
    # The tests' own client logs as httpx2; pytest listens to uvicorn.access although nobody else does.
    others = {"httpx2", "uvicorn.access"}
    log = "\n".join(record.getMessage() for record in caplog.records if record.name not in others)
    assert "PUT /apisix/admin/consumers/a -> 201" in log
    assert "secret" not in log
    assert ADMIN_KEY not in log
    assert not logging.getLogger("uvicorn.access").propagate
