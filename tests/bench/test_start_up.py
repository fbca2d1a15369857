"""How soon the program is there, against the libraries that it cannot do without.

Figures are printed; what is asserted is which packages are imported, which is what decides.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import pytest

from juno_snap.pipeline.journal.store import Journal
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica

ROUNDS = 7
HEAVY = {"wasmtime", "sqlalchemy", "httpx", "ic", "starlette"}
BASELINE = ["-c", "import typer, rich"]
LIMITS = {"--version": 1.5, "--help": 3.0, "snapshot list": 8.0, "snapshot list, journal": 12.0}


def program(*words):
    return ["-m", "juno_snap", *words]


def run(words, **environment):
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def imported_by(*words) -> set[str]:
    """The top-level packages that a command line imports."""
    script = (
        "import json, sys\n"
        f"sys.argv = ['juno-snap', *{list(words)!r}]\n"
        "from juno_snap.cli.main import run\n"
        "run(sys.argv[1:])\n"
        "sys.stderr.write(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    return set(json.loads(run(["-c", script]).stderr.splitlines()[-1]))


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_nothing_heavy_is_imported_to_say_who_we_are(option):
    imported = imported_by(option)
    assert "juno_snap" in imported
    assert imported & HEAVY == set()


def test_the_version_needs_neither_typer_nor_rich():
    assert imported_by("--version") & {"typer", "rich", "pydantic"} == set()


def test_the_settings_need_no_wasm_engine():
    assert imported_by("config", "show", "--json") & {"wasmtime", "starlette"} == set()


def test_a_list_needs_no_database_where_there_is_no_journal(tmp_path, monkeypatch):
    monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path))
    network = ("-n", "http://127.0.0.1:9", "--root-key", "fetch")
    words = ("--module", "ryjl3-tyaaa-aaaaa-aaaba-cai", *network)
    imported = imported_by("snapshot", "list", *words)
    assert "httpx" in imported
    assert "sqlalchemy" not in imported


def test_start_up_against_its_libraries(tmp_path, capsys):
    with run_replica(ReplicaOptions()) as replica:
        settings = {
            "JUNO_SNAP_NETWORK": replica.url,
            "JUNO_SNAP_ROOT_KEY": replica.root_key.hex(),
            "JUNO_SNAP_STATE": str(tmp_path / "state"),
        }
        made = run(program("module", "create", "--json"), **settings).stdout
        module = json.loads(made)["module"]
        listing = program("snapshot", "list", "--module", module, "--json")
        with_journal = {**settings, "JUNO_SNAP_STATE": str(tmp_path / "used")}
        shutil.copytree(tmp_path / "state", tmp_path / "used")
        with Journal.open(tmp_path / "used"):
            pass
        commands = {
            "import typer, rich": (BASELINE, settings),
            "--version": (program("--version"), settings),
            "--help": (program("--help"), settings),
            "snapshot list": (listing, settings),
            "snapshot list, journal": (listing, with_journal),
        }
        spent = {name: [] for name in commands}
        for _ in range(ROUNDS):  # one after the other, so that the machine's load meets them all
            for name, (words, variables) in commands.items():
                begin = time.perf_counter()
                run(words, **variables)
                spent[name].append((time.perf_counter() - begin) * 1000)
    medians = {name: statistics.median(times) for name, times in spent.items()}
    baseline = medians.pop("import typer, rich")
    with capsys.disabled():
        sys.stdout.write(f"\n{'python -c import typer, rich':<40} {baseline:7.0f} ms\n")
        for name, median in medians.items():
            ratio = median / baseline
            sys.stdout.write(
                f"{name:<40} {median:7.0f} ms  {ratio:5.2f} x (at most {LIMITS[name]} x)\n"
            )
    assert set(medians) == set(LIMITS)
