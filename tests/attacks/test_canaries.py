"""Two hundred secrets, planted wherever a secret can be: none is in any answer, page, log or file."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.change.resources import clean
from gatechat.assistant.faces.console.doors import Doors, approver_key
from gatechat.assistant.operations.tools import TOOLS
from tests.assistant import rig as served
from tests.assistant.faces import mcp_rig
from tests.attacks import rig
from tests.attacks.planted import Planted, Plants, configuration, paths

FILES_THAT_HOLD_KEYS = re.compile(r".*-key")


@dataclass
class Watched:
    """An assistant before a gateway full of canaries, and all that was ever seen of it."""

    plants: Plants
    admin: Planted
    values: dict[tuple[str, str], dict[str, Any]]
    folder: Path
    admin_url: str
    port: int
    http: httpx2.AsyncClient
    heard: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hear(self, where: str, what: Any) -> None:
        text = what if isinstance(what, str) else json.dumps(what, ensure_ascii=False, default=str)
        self.heard.append((where, text))

    def leaks(self) -> list[str]:
        return sorted(
            {f"{place} in {where}" for where, text in self.heard for place in self.plants.found(text)}
        )

    async def call(self, client: Any, tool: str, **arguments: Any) -> Any:
        result = await client.call_tool(tool, arguments)
        self.hear(f"{tool} {json.dumps(arguments)[:80]}", result.model_dump_json())
        return result

    async def read(self, path: str) -> dict[str, Any]:
        """A resource as whoever asks port 5000 sees it, without times."""
        value = clean((await self.http.get(f"/apisix/admin/{path}")).json()["value"])
        assert self.plants.found(json.dumps(value)) == set()
        return value

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx2.AsyncClient]:
        code = Doors(approver_key(self.folder), lambda code, until: False).code()
        async with httpx2.AsyncClient(
            base_url=self.url, trust_env=False, headers={"origin": self.url}
        ) as browser:
            await browser.get("/approver", params={"code": code})
            yield browser

    def changed(self, kind: str, id: str) -> dict[str, Any]:
        """The resource with all of its secrets written anew."""
        text = json.dumps(self.values[kind, id])
        for old in dict.fromkeys(re.findall(r"cnry[0-9]{4}q", text)):
            text = text.replace(old, self.plants(f"new {self.plants.places[int(old[4:8])]}"))
        return dict(json.loads(text))


@asynccontextmanager
async def watching(folder: Path, upstream: str, mode: str) -> AsyncIterator[Watched]:
    plants = Plants()
    values = configuration(plants, {upstream: 1})
    assert len(plants.places) >= 200
    admin = Planted()
    admin.plant(deepcopy(values))
    (folder / "policy.toml").write_text(f'[policy]\nmode = "{mode}"\n')
    async with served.serving(admin) as admin_port:
        url = f"http://127.0.0.1:{admin_port}"
        settings = {"data_dir": folder, "gateway_url": f"http://{upstream}"}
        async with (
            served.assistant(url, **settings) as port,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
        ):
            yield Watched(plants, admin, values, folder, url, port, http)


async def tools(watched: Watched, era: str) -> list[str]:
    """Every tool on every resource; the ids of the plans that it made."""
    plans = []
    person = mcp_rig.Person([mcp_rig.NO] * 100)
    async with mcp_rig.client(f"{watched.url}/mcp", era, person) as client:
        watched.hear("tools/list", (await client.list_tools()).model_dump_json())
        await watched.call(client, "overview")
        for kind in {kind for kind, _ in watched.values}:
            await watched.call(client, "find", kind=kind)
            await watched.call(client, "describe", name=kind)
        for where in ({"plugin": "my-custom"}, {"text": "example"}, {"path": "/named"}, {"all": True}):
            await watched.call(client, "find", where=where)
        for plugin in ("my-custom", "key-auth", "http-logger", "openid-connect", "nothing"):
            await watched.call(client, "describe", name=plugin)
        for kind, id in watched.values:
            for view in ("stored", "in effect"):
                await watched.call(client, "get", kind=kind, id=id, view=view)
            await watched.call(
                client, "get", kind=kind, id=id, fields=["plugins", "key", "tls", "vars", "upstream"]
            )
            value = {"desc": "changed"}
            for operation in (
                {"action": "merge", "kind": kind, "id": id, "value": value},
                {"action": "replace", "kind": kind, "id": id, "value": watched.changed(kind, id)},
                {"action": "merge", "kind": kind, "id": id, "value": {"bad": True, "desc": "refuse me"}},
                {"action": "delete", "kind": kind, "id": id},
            ):
                made = await watched.call(client, "plan", reason="a test", operations=[operation])
                if made.structured_content and made.structured_content["state"] == "waiting":
                    plan = made.structured_content["plan"]
                    plans.append(plan)
                    await watched.call(client, "plan_state", plan=plan)
                    resource = await client.read_resource(f"plan://{plan}")
                    watched.hear(f"plan://{plan}", resource.model_dump_json())
        await watched.call(client, "apply", plan=plans[0])
        for path in ("/named", "/secret", "/inline", "/nothing"):
            await watched.call(client, "explain_request", url=path)
            await watched.call(client, "send_request", path=path)
        await watched.call(client, "traffic")
        for more in ({}, {"drift": True}, {"change": plans[0]}, {"kind": "routes", "id": "named"}):
            await watched.call(client, "history", **more)
        for uri in ("route://named", "route://secret", "plugin-docs://my-custom", "ui://gatechat/plan.html"):
            watched.hear(uri, (await client.read_resource(uri)).model_dump_json())
        for prompt in (await client.list_prompts()).prompts:
            filled = await client.get_prompt(prompt.name, {it.name: "named" for it in prompt.arguments or ()})
            watched.hear(f"prompt {prompt.name}", filled.model_dump_json())
        for asked in person.asked:
            watched.hear("the question to a person", asked.model_dump_json())
    return plans


async def openapi(watched: Watched) -> None:
    """Every operation of the OpenAPI document that can be tried, and the Admin API's paths as they are."""
    document = (await watched.http.get("/openapi.json")).json()
    tried = set()
    filled = {
        "id": ["named", "secret", "inline", "u", "s"],
        "username": ["jack"],
        "credential_id": ["c", "d"],
        "plugin_name": ["key-auth", "my-custom"],
    }
    body = {"uri": "/x", "reason": "r", "url": "/named", "plan": "p", "change": "p", "desc": "y"}
    for template, methods in document["paths"].items():
        paths_of_it = {template}
        for name, values in filled.items():
            paths_of_it = {path.replace(f"{{{name}}}", value) for path in paths_of_it for value in values}
        for path in paths_of_it:
            for method in methods:
                answer = await watched.http.request(method, path, json=None if method == "get" else body)
                watched.hear(f"{method} {path}", f"{answer.headers}\n{answer.text}")
                tried.add(f"{method} {template}")
    assert len(tried) == sum(map(len, document["paths"].values()))
    for kind, id, path in paths(watched.values):
        for asked in (
            path,
            f"{path}?page=1",
            path.partition("/")[0],
            f"{kind}?page_size=10",
            "plugins?all=true",
        ):
            answer = await watched.http.get(f"/apisix/admin/{asked}")
            watched.hear(f"GET {asked}", f"{answer.headers}\n{answer.text}")
        for body in (
            {"desc": "refuse me"},
            watched.changed(kind, id),
            {**watched.values[kind, id], "desc": "z"},
        ):
            answer = await watched.http.put(f"/apisix/admin/{path}", json=body)
            watched.hear(f"PUT {path}", f"{answer.headers}\n{answer.text}")
        answer = await watched.http.delete(f"/apisix/admin/{path}")
        watched.hear(f"DELETE {path}", f"{answer.headers}\n{answer.text}")


async def console(watched: Watched, plans: list[str]) -> None:
    """Every page; one plan is approved and applied."""
    async with watched.browser() as browser:
        listed = await browser.get("/plans")
        watched.hear("/plans", listed.text)
        for plan in {*plans, *re.findall(r"/plans/([0-9a-f]{12})", listed.text)}:
            page = (await browser.get(f"/plans/{plan}")).text
            watched.hear(f"/plans/{plan}", page)
        form = dict(
            re.findall(
                r'name="?(token|digest)"? value="([^"]*)"', (await browser.get(f"/plans/{plans[1]}")).text
            )
        )
        done = await browser.post(f"/plans/{plans[1]}/approve-and-apply", data=form)
        watched.hear("approve-and-apply", done.text)
        watched.hear("its page", (await browser.get(f"/plans/{plans[1]}")).text)
        watched.hear("/plans", (await browser.get("/plans")).text)


def commands(watched: Watched, plans: list[str]) -> None:
    """What people read in a terminal, and what others get of it."""
    settings = {
        "GATECHAT_DATA_DIR": str(watched.folder),
        "GATECHAT_ADMIN_URL": watched.admin_url,
        "GATECHAT_ADMIN_KEY": served.KEY,
        "GATECHAT_LOG_LEVEL": "debug",
    }
    for command in (
        ["history"],
        ["audit", "export"],
        ["audit", "verify"],
        ["drift"],
        *(["show", plan] for plan in plans[:2]),
        ["undo", plans[1]],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "gatechat", *command],
            env=os.environ | settings,
            cwd=watched.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        watched.hear(f"gatechat {' '.join(command)}", done.stdout + done.stderr)


def files(watched: Watched) -> None:
    for file in watched.folder.rglob("*"):
        if file.is_file() and not FILES_THAT_HOLD_KEYS.fullmatch(file.name):
            watched.hear(f"the bytes of {file.name}", file.read_bytes().decode("latin-1"))


@pytest.mark.parametrize("era", rig.ERAS)
async def test_no_planted_secret_is_ever_seen(
    tmp_path: Path, echo_upstreams: tuple[str, str], caplog: pytest.LogCaptureFixture, era: str
) -> None:
    caplog.set_level(logging.DEBUG)
    assert len(TOOLS) == 12
    async with watching(tmp_path, echo_upstreams[0], "ask-always") as watched:
        await everything(watched, era)
    for record in caplog.records:
        if not record.name.startswith("mcp.client"):  # the model's own side, in this process by chance
            watched.hear(f"the log of {record.name}", record.getMessage())
    assert watched.leaks() == []


async def everything(watched: Watched, era: str) -> None:
    plans = await tools(watched, era)
    assert len(plans) > 20
    if era != rig.ERAS[0]:
        return  # the other faces have no eras
    await openapi(watched)
    await console(watched, plans)
    await asyncio.to_thread(commands, watched, plans)
    files(watched)


async def test_a_redacted_value_that_is_written_back_through_port_5000_is_kept(
    tmp_path: Path, echo_upstreams: tuple[str, str]
) -> None:
    async with watching(tmp_path, echo_upstreams[0], "never-ask") as watched:
        for kind, id, path in paths(watched.values):
            read = await watched.read(path) | {"desc": "written back"}
            if KINDS[kind].hidden:  # no Admin API shows them, so that no PUT can keep them
                written = await watched.http.patch(f"/apisix/admin/{path}", json={"desc": "written back"})
            else:
                written = await watched.http.put(f"/apisix/admin/{path}", json=read)
            assert written.status_code == 200, written.text
            assert watched.plants.found(written.text) == set()
            held = clean(watched.admin.values[kind, id])
            assert held == watched.values[kind, id] | {"desc": "written back"}, path


async def test_a_redacted_value_that_is_written_back_in_a_plan_is_kept(
    tmp_path: Path, echo_upstreams: tuple[str, str]
) -> None:
    async with (
        watching(tmp_path, echo_upstreams[0], "never-ask") as watched,
        mcp_rig.client(f"{watched.url}/mcp", rig.ERAS[0]) as client,
    ):
        for kind, id, path in paths(watched.values):
            value = await watched.read(path) | {"desc": "written back"}
            action = "merge" if KINDS[kind].hidden else "replace"
            plan = await rig.planned(client, {"action": action, "kind": kind, "id": id, "value": value})
            applied = await client.call_tool("apply", {"plan": plan})
            assert not applied.is_error, rig.said(applied)
            held = clean(watched.admin.values[kind, id])
            assert held == watched.values[kind, id] | {"desc": "written back"}, (kind, id)


async def test_what_a_person_types_is_nowhere_but_in_the_gateway(
    tmp_path: Path, echo_upstreams: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        watching(tmp_path, echo_upstreams[0], "ask-always") as watched,
        mcp_rig.client(f"{watched.url}/mcp", rig.ERAS[0]) as client,
        watched.browser() as browser,
    ):
        value = {"username": "jill", "plugins": {"key-auth": {"key": "[enter]"}}}
        operation = {"action": "create", "kind": "consumers", "id": "jill", "value": value}
        plan = await rig.planned(client, operation)
        typed = watched.plants("typed on the page")
        form = re.compile(r'name="?(token|digest)"? value="([^"]*)"')
        fields = dict(form.findall((await browser.get(f"/plans/{plan}")).text))
        secret = {"secret:consumers/jill.plugins.key-auth.key": typed}
        answer = await browser.post(f"/plans/{plan}/secrets", data=fields | secret)
        watched.hear("the answer", answer.text)
        watched.hear("the page", (await browser.get(f"/plans/{plan}")).text)
        files(watched)
        await browser.post(f"/plans/{plan}/approve", data=fields)
        await watched.call(client, "apply", plan=plan)
        for tool, arguments in (
            ("plan_state", {"plan": plan}),
            ("get", {"kind": "consumers", "id": "jill"}),
            ("history", {"change": plan}),
            ("undo", {"change": plan}),
        ):
            await watched.call(client, tool, **arguments)
        watched.hear("the page", (await browser.get(f"/plans/{plan}")).text)
    files(watched)
    for record in caplog.records:
        watched.hear(f"the log of {record.name}", record.getMessage())
    assert watched.admin.values["consumers", "jill"]["plugins"]["key-auth"]["key"] == typed
    assert watched.leaks() == []
