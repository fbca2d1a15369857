"""Every block of the README is run, in order, as a new user would run it."""

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from juno_snap.library.configured import check_operations
from juno_snap.settings.load import load_settings
from tests.architecture.imports import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCED = re.findall(r"^```(sh|python|toml)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
BLOCKS = [block for language, block in FENCED if language == "sh"]
INSTALL = "pip install -e . && juno-snap demo"
TEST = (
    "pip install -e '.[dev]' && pytest -n 2 --dist loadfile --ignore tests/bench "
    "&& pytest tests/bench"
)
FIXTURE = "(local_replica)"


def as_shell(language, block):
    return block if language == "sh" else f"python - <<'PROGRAM'\n{block}PROGRAM\n"


TOUR = [
    as_shell(language, block)
    for language, block in FENCED
    if language != "toml" and block.strip() not in {INSTALL, TEST} and FIXTURE not in block
]


def test_every_fenced_block_is_run_by_a_test():
    """All of them here, but for the one in ``test_fixture``."""
    assert len(re.findall(r"^```.+$", README, flags=re.MULTILINE)) == len(FENCED)
    assert README.count("\n```") == 2 * len(FENCED)
    assert [FIXTURE in block for _, block in FENCED].count(True) == 1


def test_every_configuration_is_accepted(tmp_path):
    tables = [block for language, block in FENCED if language == "toml"]
    for number, table in enumerate(tables):
        file = tmp_path / f"{number}.toml"
        file.write_text(table, encoding="utf-8")
        settings = load_settings(
            {}, config=file, environment={}, working_directory=tmp_path, search=False
        )
        check_operations(settings)


def run_shell(script, *, cwd, environment):
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def new_user(clean_environment):
    """The cleaned environment of a test, with the program on the path."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
    }


def copy_of_the_checkout(destination):
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        target = destination / name
        if (ROOT / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return destination


def in_new_virtual_environment(environment, folder):
    venv.create(folder, with_pip=True)
    return {**environment, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def test_the_first_command_installs_and_runs_the_demo(tmp_path, new_user):
    assert INSTALL in [block.strip() for block in BLOCKS]
    checkout = copy_of_the_checkout(tmp_path / "checkout")
    environment = in_new_virtual_environment(new_user, tmp_path / "venv")
    ran = run_shell(INSTALL, cwd=checkout, environment=environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "data is back" in ran.stdout


def test_the_second_command_is_what_ci_runs():
    assert TEST in [block.strip() for block in BLOCKS]
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == TEST


def test_the_other_blocks_run_in_order(tmp_path, new_user):
    assert TOUR
    folder = tmp_path / "tour"
    folder.mkdir()
    shutil.copytree(ROOT / "config", folder / "config")
    script = "\n".join([*TOUR, ""])
    try:
        ran = run_shell(f"set -x\n{script}", cwd=folder, environment=new_user)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    finally:
        run_shell("juno-snap replica stop || true", cwd=folder, environment=new_user)


def test_the_wheel_carries_all_that_the_demo_and_the_page_need(tmp_path, new_user):
    environment = in_new_virtual_environment(new_user, tmp_path / "venv")
    checkout = copy_of_the_checkout(tmp_path / "checkout")
    script = f"""
        pip wheel -q --no-deps -w wheels {checkout}
        python -m zipfile -l wheels/*.whl
        pip install -q wheels/*.whl
        juno-snap demo
    """
    ran = run_shell(script, cwd=tmp_path, environment=environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    page = sorted((ROOT / "juno_snap" / "console" / "web").iterdir())
    assert page
    assert [file.name for file in page if f"console/web/{file.name} " not in ran.stdout] == []
