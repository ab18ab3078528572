"""`gatechat export`, `import` and `move`: what is asked of which Admin API, and what is shown."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import typer

from gatechat.apisix.kinds import KINDS
from gatechat.assistant import transfer
from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.change.catalogue import Catalogue, Catalogues
from gatechat.assistant.change.execute import Progress, in_order
from gatechat.assistant.change.model import Edit, Plan, State
from gatechat.assistant.change.redact import Redactor, encrypted_fields
from gatechat.assistant.change.resources import clean, same
from gatechat.assistant.change.telling import problem_line
from gatechat.assistant.core import POLICY_FILE, Core
from gatechat.assistant.declarative import Configuration, Declared, from_yaml, to_yaml
from gatechat.assistant.problem import Problem
from gatechat.assistant.reconcile import reconcile, with_defaults
from gatechat.assistant.settings import AssistantSettings, SettingsError
from gatechat.assistant.view import text
from gatechat.cli.approving import owner
from gatechat.cli.changing import How, opened, places, run_plan, texts
from gatechat.cli.data_dir import prepare
from gatechat.cli.errors import CliError

_MOVES: Final = "moves"
"""In the data folder: one folder for each Admin API that something was moved to, with a ledger of its own."""
_NAMED: Final = 10
_MANY: Final = 50
"""Resources from which on progress is shown."""
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
    content = to_yaml(configuration, head=_REDACTED_HEAD) if redact else transfer.to_file(configuration)
    if str(file) == "-":
        sys.stdout.write(content)
        return
    _write_private(file, content)
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


async def import_from(settings: Mapping[str, Any], file: Path, *, dry_run: bool) -> None:
    """``settings``: fields of AssistantSettings, of the gateway that is to take the file's resources."""
    async with opened(settings) as core:
        declared = from_yaml(*texts([file]))
        await _put(core, declared, f"import {file}", dry_run=dry_run)


async def move(source: Api, target: Api, data_dir: Path, policy_file: Path | None, *, dry_run: bool) -> None:
    """``data_dir``: its policy counts for the target too, unless ``policy_file`` is another."""
    if source.url.rstrip("/") == target.url.rstrip("/"):
        raise CliError(f"--to {target.url} is the Admin API that the configuration comes from; name another.")
    async with _client(source) as client:
        configuration = await transfer.read(client)
    folder = data_dir / _MOVES / re.sub(r"[^\w.\[\]-]", "_", target.url.partition("://")[2].rstrip("/"))
    own_policy = data_dir / POLICY_FILE
    settings = {
        "admin_url": target.url,
        "admin_key": target.key,
        "timeout": TIMEOUT,
        "policy_file": policy_file or (own_policy if own_policy.exists() else None),
        "data_dir": None if dry_run else prepare(folder),
    }
    async with opened(settings, elsewhere=True) as core:
        declared = Declared(configuration, {}, frozenset(KINDS))
        done = await _put(core, declared, f"move from {source.url}", dry_run=dry_run)
        if done is not None:
            undo = shlex.join(("undo", done, "--data-dir", str(folder), "--admin-url", target.url))
            print(
                f"The history of what is moved there is in {folder}. With that Admin API's key in "
                f"GATECHAT_ADMIN_KEY,\n  gatechat {undo}\ntakes it back."
            )


async def _put(core: Core, declared: Declared, reason: str, *, dry_run: bool) -> str | None:
    """Shows what differs, plans it, and applies the plan; its id, or None where nothing was written.

    Who runs the command approves it by that. Raises CliError when it is refused, or does not go through.
    """
    there = await core.live.configuration(max_age=0)
    everything = replace(declared, covered=frozenset(KINDS))
    catalogue = await core.drafts.catalogue()
    found = reconcile(everything, there, core.drafts.redactor, catalogue, delete=False)
    for edit in in_order(found.edits):
        print(f"  {_line(edit, catalogue)}")
    print(f"{_count(len(found.edits))} to write to {core.settings.admin_url}; {found.same} there already.")
    if found.extra:
        print(f"Only there, and left alone: {text.listed(found.extra, _NAMED)}.")
    if not found.edits and not found.problems:
        return None
    keyless = transfer.keyless(found.edits)
    edits = [edit for edit in found.edits if edit.target not in {it.target for it in keyless}]
    make = core.drafts.of_edits if dry_run else core.changes.plan_edits
    made = await make(edits, reason, owner(), problems=(*found.problems, *keyless))
    if made.state is State.REFUSED:
        raise _refusal(made, declared)
    if made.secrets and not dry_run:
        enter = f"enter {', '.join(made.secrets)} on {core.changes.page(made.id)}, and approve it there"
        raise CliError(f"Nothing was written. To go on, {enter}; then `gatechat apply {made.id}`.")
    if dry_run:
        enter = f", once a person has entered {', '.join(made.secrets)}" if made.secrets else ""
        print(f"Every change would be taken{enter}. Nothing was written (--dry-run).")
        return None
    if made.state is State.WAITING:
        await core.changes.approve(made.id, owner(), "cli", shown=made.digest)
    try:
        with _progress(len(edits)) as progress:
            await run_plan(core, made.id, owner(), How(), progress)
    except asyncio.CancelledError:
        print(f"It is written to its end; `gatechat undo {made.id}` takes it back.", file=sys.stderr)
        raise
    return made.id


def _refusal(made: Plan, declared: Declared) -> CliError:
    """All that is wrong with a plan, and where it is declared."""
    policy = made.decision.reasons if made.decision.verdict == "refuse" else ()
    words = (*map(problem_line, made.problems), *policy, *places(made, declared))
    return CliError("\n".join((*dict.fromkeys(words), "Nothing was written.")))


def _line(edit: Edit, catalogue: Catalogue) -> str:
    """Names fields, never values; not those that the gateway fills in."""
    name = text.line(f"{edit.target.kind}/{edit.target.id}", 500)
    if edit.before is None or edit.after is None:
        return f"+ {name}"
    before, after = (
        with_defaults(edit.target.kind, edit.target.id, clean(side), catalogue)
        for side in (edit.before, edit.after)
    )
    fields = sorted(
        field
        for field in {*before, *after} - {*KINDS[edit.target.kind].hidden}
        if (field in before) != (field in after) or not same(before[field], after[field])
    )
    return f"~ {name} ({text.line(', '.join(fields), 500)})"


@contextmanager
def _progress(length: int) -> Iterator[Progress]:
    """On a terminal, how far it is: writing thousands takes minutes."""
    if length < _MANY or not sys.stderr.isatty():
        yield lambda: None
        return
    with typer.progressbar(length=length, label="Writing", file=sys.stderr) as bar:
        try:
            yield lambda: None if bar.finished else bar.update(1)
        finally:
            bar.finish()  # Ctrl-C ends the bar, not the writing


def _count(number: int) -> str:
    return f"{number} resource{'' if number == 1 else 's'}"


@asynccontextmanager
async def _client(api: Api) -> AsyncIterator[AdminClient]:
    """To read from; what its answers make impossible ends the command."""
    try:
        settings = AssistantSettings(admin_url=api.url, admin_key=api.key)
    except SettingsError as error:
        raise CliError(str(error)) from error
    client = AdminClient(settings.admin_url, settings.admin_key, TIMEOUT)
    try:
        yield client
    except Problem as error:
        raise CliError(error.message) from error
    finally:
        await client.close()


def _write_private(file: Path, content: str) -> None:
    """Replaces the file in one step, readable by its owner alone."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as out:
            out.write(content)
        fresh.replace(file)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise CliError(f"{file} cannot be written: {error.strerror}") from error
