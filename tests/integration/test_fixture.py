"""The published pytest fixture, as a project of somebody else uses it."""

import os
import re
import subprocess
import sys

from tests.architecture.imports import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
(TEN_LINES,) = [block for block in BLOCKS if "(local_replica)" in block]

MORE = """
import pytest

from juno_snap.errors import OperationError, RejectedError
from juno_snap.replica.samples import sample


def test_a_snapshot_brings_data_back(local_replica):
    store = local_replica.create(sample("document_store_v1"))
    snapshot = store.snapshot()
    store.call("set_document", '("hello", "world")')
    store.restore(snapshot)
    assert store.query("document", '("hello")') == "(null)"


def test_a_bad_release_goes_back(local_replica):
    store = local_replica.create(sample("document_store_v1"))
    store.call("set_document", '("greeting", "hello")')
    with pytest.raises(OperationError) as caught:
        store.upgrade(sample("document_store_v3"), checks=['document("greeting") == opt "hello"'])
    assert caught.value.runs_old_code
    assert store.query("document", '("greeting")') == '(opt "hello")'


def test_more_is_done_by_the_module_itself(local_replica):
    store = local_replica.create(sample("document_store_v1"))
    local_replica.wait(store.module.take_snapshot(label="empty"))
    store.call("set_document", '("hello", "world")')
    store.restore("empty")
    assert store.query("document", '("hello")') == "(null)"


def test_each_test_has_a_replica_of_its_own(local_replica):
    with pytest.raises(RejectedError) as caught:
        local_replica.create().query("version")
    assert caught.value.error_code == "IC0537"
"""


def run_pytest(folder, *options):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_ten_lines_in_a_fresh_project_install_a_module_and_assert_on_it(tmp_path):
    assert len([line for line in TEN_LINES.splitlines() if line]) <= 10
    (tmp_path / "test_mine.py").write_text(TEN_LINES, encoding="utf-8")
    ran = run_pytest(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout


def test_a_wrong_assertion_fails(tmp_path):
    (tmp_path / "test_mine.py").write_text(TEN_LINES.replace("world", "w", 1), encoding="utf-8")
    ran = run_pytest(tmp_path)
    assert ran.returncode == 1
    assert "1 failed" in ran.stdout


def test_snapshots_and_a_replica_for_each_test(tmp_path):
    (tmp_path / "test_more.py").write_text(MORE, encoding="utf-8")
    ran = run_pytest(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 passed" in ran.stdout
