"""The recipes of the README for daily backups, on the replica: cron's and those of a job in CI."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from juno_snap.agent.identity import generate_ed25519
from tests.integration.cli_world import ask, write_sample
from tests.integration.fleet_world import make_modules, write_fleet
from tests.integration.test_readme import README

FENCES = re.compile(r"^```.*?^```$", flags=re.MULTILINE | re.DOTALL)
INDENTED = [line for line in FENCES.sub("", README).splitlines() if line.startswith("    ")]
CRON = [line.split("  ")[-1] for line in INDENTED if re.match(r" +\d+ \d+ ", line)]
JOB = [line.partition("run: ")[2] for line in INDENTED if line.strip().startswith("- run: ")]
SEED = bytes(31) + b"\x0b"


@pytest.fixture
def home(cli, monkeypatch):
    """A user whose folder ``backups`` has a fleet file of two modules, and who has a token."""
    key = generate_ed25519(SEED)
    token = json.dumps({"token": [key.public_key_der.hex(), SEED.hex()]})
    monkeypatch.setenv("JUNO_TOKEN", base64.b64encode(token.encode()).decode())
    monkeypatch.setenv("HOME", str(cli))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    folder = cli / "backups"
    folder.mkdir()
    modules = make_modules(write_sample(cli, "document_store_v1"), 2)
    write_fleet(folder, modules, backup='directory = "fleet-backups"')
    return folder, modules


def carry_out(line, **options):
    """A line of a recipe, as it stands there, on this replica in place of the main network."""
    return subprocess.run(
        ["sh", "-c", line.replace(" --network ic", "")],
        capture_output=True,
        text=True,
        check=True,
        **options,
    )


def backed_up(folder):
    """The modules of whole copies, one for each."""
    listed = ask("backup", "list", folder / "fleet-backups")["backups"]
    for each in listed:
        assert ask("backup", "verify", each["path"])["verification"]["ok"]
    return sorted(each["module"] for each in listed)


def test_every_command_outside_of_a_fence_is_one_of_these():
    others = [line for line in INDENTED if not line.endswith((*CRON, *JOB))]
    assert not any("juno-snap" in line for line in others)
    assert (len(CRON), len(JOB)) == (2, 2)


def test_the_lines_for_cron_back_up_and_thin_out_in_silence(home):
    folder, modules = home
    backup, prune = CRON
    assert "fleet backup" in backup
    for line in (backup, backup):
        ran = carry_out(line)
        assert (ran.stdout, ran.stderr) == ("", "")
    assert backed_up(folder) == sorted(modules * 2)
    assert carry_out(prune).stdout == ""
    assert backed_up(folder) == sorted(modules)
    for module in modules:
        assert ask("snapshot", "list", "--module", module)["snapshots"] == []


def test_the_steps_of_a_job_back_up_and_thin_out_with_a_token_alone(home):
    folder, modules = home
    said = next(line for line in INDENTED if line.strip().startswith("env:"))
    variables = dict(re.findall(r"(JUNO_\w+): \"?([^\",}]+)", said))
    assert variables["JUNO_TOKEN"].strip() == "${{ secrets.JUNO_TOKEN"
    state = variables["JUNO_SNAP_STATE"].strip()
    environment = {**os.environ, "CI": "true", "JUNO_SNAP_STATE": state}
    for line in JOB:
        carry_out(line, cwd=folder, env=environment)
    report = json.loads((folder / "report.json").read_text("utf-8"))["fleet"]
    assert (report["ok"], report["outcomes"]) == (True, {"backed-up": 2})
    assert (folder / state / "journal.sqlite").is_file()
    assert backed_up(folder) == sorted(modules)
