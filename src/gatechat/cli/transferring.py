"""`gatechat export`, `import` and `move`: what is asked of which Admin API, and what is shown."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gatechat.assistant import transfer
from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.change.catalogue import Catalogues
from gatechat.assistant.change.redact import Redactor, encrypted_fields
from gatechat.assistant.declarative import Configuration, FileProblem, from_yaml, to_yaml
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings, SettingsError
from gatechat.assistant.transfer import TransferProblem
from gatechat.cli.errors import CliError

TIMEOUT = 60.0
"""Seconds for one answer; a list of 50,000 routes takes a while."""


@dataclass(frozen=True, slots=True)
class Api:
    """One Admin API; ``key`` None sends none."""

    url: str
    key: str | None = field(repr=False)


_REDACTED_HEAD = """\
# Without secrets: `gatechat plan -f` keeps the gateway's own where this says [redacted].
"""


async def export_to(source: Api, file: Path, *, redact: bool) -> None:
    """``redact``: without secrets, to be kept where others can read it."""
    async with _client(source) as client:
        configuration = await transfer.read(client)
        if redact:
            configuration = _redacted(configuration, await _redactor(client))
    text = to_yaml(configuration, head=_REDACTED_HEAD) if redact else transfer.to_file(configuration)
    if str(file) == "-":
        sys.stdout.write(text)
        return
    _write_private(file, text)
    if redact:
        print(
            f"{file} holds {_count(len(configuration))}, without secrets; "
            f"`gatechat plan -f {file}` keeps those of the gateway."
        )
        return
    print(
        f"{file} holds {_count(len(configuration))}, keys and passwords in plain text: only you can read it."
    )
    for name in transfer.unreadable(configuration):
        print(
            f"  without the private key of {name}, which no Admin API shows: add `key` before you import it"
        )


async def _redactor(client: AdminClient) -> Redactor:
    return Redactor(encrypted_fields((await Catalogues(client).get()).attributes))


def _redacted(configuration: Configuration, redactor: Redactor) -> Configuration:
    return Configuration(
        {
            kind: {id: redactor.redact(kind, value, id) for id, value in rows.items()}
            for kind, rows in configuration.kinds.items()
        }
    )


async def import_from(file: Path, target: Api, dry_run: bool) -> None:
    text = _read(file)
    async with _client(target) as client:
        await _put(client, from_yaml((str(file), text)).configuration, target.url, dry_run)


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file} cannot be read: {error}") from error


async def move(source: Api, target: Api, dry_run: bool) -> None:
    if source.url.rstrip("/") == target.url.rstrip("/"):
        raise CliError(f"--to {target.url} is the Admin API that the configuration comes from; name another.")
    async with _client(source) as client:
        configuration = await transfer.read(client)
    async with _client(target) as client:
        await _put(client, configuration, target.url, dry_run)


async def _put(client: AdminClient, wanted: Configuration, url: str, dry_run: bool) -> None:
    """Shows what differs, has all of it checked, then writes it."""
    difference = transfer.compare(wanted, await transfer.read(client))
    for change in difference.changes:
        print(f"  {change}")
    print(f"{_count(len(difference.changes))} to write to {url}; {difference.same} there already.")
    if difference.extra:
        print(f"Only there, and left alone: {', '.join(difference.extra)}.")
    await transfer.check(client, difference.changes)
    if dry_run:
        print("Every change would be taken. Nothing was written (--dry-run).")
        return
    done = 0
    try:
        async for _ in transfer.write(client, difference.changes):
            done += 1
    except (TransferProblem, Problem) as error:
        raise CliError(
            f"{error}\n{_count(done)} of {len(difference.changes)} written before that; "
            "repeat the command to write the rest."
        ) from error
    print(f"{_count(done)} written.")


def _count(number: int) -> str:
    return f"{number} resource{'' if number == 1 else 's'}"


@asynccontextmanager
async def _client(api: Api) -> AsyncIterator[AdminClient]:
    """A client for the Admin API; what its answers make impossible ends the command."""
    try:
        settings = AssistantSettings(admin_url=api.url, admin_key=api.key)
    except SettingsError as error:
        raise CliError(str(error)) from error
    client = AdminClient(settings.admin_url, settings.admin_key, TIMEOUT)
    try:
        yield client
    except (TransferProblem, FileProblem) as error:
        raise CliError(f"{error}\nNothing was written.") from error
    except Problem as error:
        raise CliError(error.message) from error
    finally:
        await client.close()


def _write_private(file: Path, text: str) -> None:
    """Replaces the file in one step, readable by its owner alone."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as out:
            out.write(text)
        fresh.replace(file)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise CliError(f"{file} cannot be written: {error.strerror}") from error
