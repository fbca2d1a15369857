"""Backups over the network: made, compared, restored, refused, and interrupted."""

import pytest

from juno_snap.backup.reader import open_backup
from tests.integration.cli_world import (
    ask,
    create_store,
    documents,
    juno_snap,
    write_sample,
)


def log_length(cli_log):
    return len(cli_log.read_text(encoding="utf-8").splitlines())


@pytest.fixture
def log(cli_replica):
    return cli_replica.options.request_log


@pytest.fixture
def store(cli):
    """A document store with two documents; its id."""
    return create_store(cli)


def backed_up(module, folder, *words):
    made = ask("backup", "create", "--module", module, "-o", folder, *words)["backup"]
    assert made["path"] == str(folder)
    return made


def test_a_module_that_lost_everything_gets_its_data_back(cli, store):
    before = documents(store)
    made = backed_up(store, cli / "copy", "--delete-snapshot")
    assert made["deleted_snapshot"] is True
    assert made["total_size_bytes"] == open_backup(cli / "copy").total_size_bytes
    assert ask("backup", "verify", cli / "copy")["verification"]["ok"] is True
    assert ask("snapshot", "list", "--module", store)["snapshots"] == []
    wasm = write_sample(cli, "document_store_v1")
    ask("upgrade", "--module", store, "-s", wasm, "--reset", "--no-snapshot", "--yes")
    assert documents(store) != before

    done = ask("backup", "restore", cli / "copy", "--module", store, "--yes")
    assert documents(store) == before
    assert done["module"] == store
    listed = ask("snapshot", "list", "--module", store)["snapshots"]
    made_by = {each["id"]: each["made_by"] for each in listed}
    assert made_by[done["snapshot"]] == "user"
    assert made_by[done["safety_snapshot"]].startswith("safety")
    assert ask("status", "--module", store)["status"] == "running"
    assert not list((cli.parent / "state" / "uploads").iterdir())


def test_a_backup_goes_into_another_module(cli, store):
    backed_up(store, cli / "copy")
    other = ask("module", "create", "--name", "other")["module"]
    ran = juno_snap("backup", "restore", cli / "copy", "--module", other, "--yes", "--json")
    assert ran.code == 0, ran.err
    assert "settings, controllers, cycles, logs" in ran.err
    ask("module", "start", "--module", other)
    assert documents(other) == documents(store)
