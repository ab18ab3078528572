"""``python -m tests.judge --apisix DIR``: see README.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from .play import Outcome, Player, Verdict, read_declared
from .system import System
from .upstream import PortTaken, serving

FILES = (
    "t/admin/*.t",
    "t/router/*.t",
    "t/node/*.t",
    "t/plugin/key-auth*.t",
    "t/plugin/limit-count*.t",
    "t/plugin/cors*.t",
    "t/plugin/ip-restriction*.t",
    "t/plugin/proxy-rewrite*.t",
    "t/plugin/response-rewrite*.t",
    "t/plugin/redirect*.t",
    "t/plugin/request-id*.t",
    "t/plugin/prometheus*.t",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: nothing failed; 1: something did; 2: it could not be judged."""
    options = _options().parse_args(arguments)
    checkout = options.apisix.resolve()
    if not (checkout / "t" / "lib" / "server.lua").exists():
        print(f"{checkout} is no checkout of apache/apisix: t/lib/server.lua is not there", file=sys.stderr)
        return 2
    if options.json:
        options.json = options.json.resolve()
    os.chdir(checkout)  # where the tests expect to be: they open t/certs/…
    results: dict[str, list[Outcome]] = {}
    declared = read_declared(Path(__file__).with_name("declared.toml"))
    system = System()
    try:
        with serving(checkout):
            for file, only in _chosen(checkout, options.only):
                began = time.monotonic()
                results[file] = list(Player(checkout, system, declared=declared).play(file, only))
                print(_row(file, results[file]), f"{time.monotonic() - began:7.1f} s", flush=True)
    except PortTaken as taken:
        print(taken, file=sys.stderr)
        return 2
    finally:
        system.close()
    _report(results, options.verbose)
    if options.json:
        options.json.write_text(json.dumps(_plain(results), indent=1))
    return any(outcome.verdict is Verdict.FAILED for outcomes in results.values() for outcome in outcomes)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.judge", description=__doc__)
    parser.add_argument("--apisix", type=Path, required=True, help="a checkout of github.com/apache/apisix")
    parser.add_argument(
        "--only", action="append", default=[], metavar="FILE[:N]", help="a file (a glob), or its Nth block"
    )
    parser.add_argument("--json", type=Path, help="write every verdict with its reasons here")
    parser.add_argument("--verbose", action="store_true", help="list the blocks that are not applicable, too")
    return parser


def _chosen(checkout: Path, only: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    for choice in only or FILES:
        pattern, _, number = choice.partition(":")
        if not pattern.startswith("t/"):
            pattern = f"t/**/{pattern}"
        if not pattern.endswith(".t"):
            pattern += ".t"
        for file in sorted(checkout.glob(pattern)):
            yield str(file.relative_to(checkout)), int(number) if number else None


def _row(file: str, outcomes: Sequence[Outcome]) -> str:
    counts = Counter(outcome.verdict for outcome in outcomes)
    return f"{file:55}" + "".join(f"{counts[verdict]:6}" for verdict in Verdict)


def _report(results: dict[str, list[Outcome]], verbose: bool) -> None:
    shown = [Verdict.FAILED, *([Verdict.DECLARED, Verdict.NOT_APPLICABLE] if verbose else [])]
    for file, outcomes in results.items():
        for outcome in outcomes:
            if outcome.verdict in shown:
                print(f"\n{file}:{outcome.number} {outcome.name} — {outcome.verdict.value}")
                for line in outcome.why:
                    print(f"    {line}")
    every = [outcome for outcomes in results.values() for outcome in outcomes]
    print("\n" + " " * 55 + "".join(f"{name:>6}" for name in ("pass", "fail", "decl", "n/a")))
    print(_row("all", every))
    reasons = Counter(
        "builds on such a block" if each.why[0].startswith("builds on ") else each.why[0]
        for each in every
        if each.verdict is Verdict.NOT_APPLICABLE
    )
    print("\nnot applicable:")
    for reason, count in reasons.most_common():
        print(f"{count:6} {reason}")


def _plain(results: dict[str, list[Outcome]]) -> dict[str, list[dict[str, object]]]:
    return {
        file: [
            {"block": each.number, "name": each.name, "verdict": each.verdict.value, "why": list(each.why)}
            for each in outcomes
        ]
        for file, outcomes in results.items()
    }


if __name__ == "__main__":
    sys.exit(main())
