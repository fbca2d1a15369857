"""What became of a call that has expired, told from what the module looks like."""

import pytest

from juno_snap.management.types import CertifiedInfo
from juno_snap.pipeline.journal.records import StepRecord
from juno_snap.pipeline.settle import Facts, InDoubt, WasDone, WasNotDone, reconcile
from tests.unit.pipeline.programs import (
    LOADED_HASH,
    NEW_HASH,
    before,
    install_change,
    restore_program,
    upgrade_program,
)
from tests.unit.pipeline.values import CALLER, OLD_HASH, snapshot_id, snapshots

UPGRADE, RESTORE = upgrade_program(), restore_program()
SAME_CODE = upgrade_program(
    change=install_change(wasm_sha256=OLD_HASH), before=before(module_hash=OLD_HASH)
)


def facts(*, status="stopped", code=OLD_HASH, installed_ns=500, there=1):
    info = CertifiedInfo(
        exists=True,
        module_hash=code,
        controllers=(CALLER,),
        last_install_at_ns=installed_ns,
        certified_at_ns=9_000,
    )
    return Facts(status=status, version=20, info=info, snapshots=snapshots(there))


def record(name, leg="forward", **seen):
    known = {"snapshots": [str(snapshot_id(0))], "last_install_at_ns": 500, **seen}
    return StepRecord(number=3, name=name, leg=leg, state="unknown", began_at_ns=1, seen=known)


VERDICTS = [
    ("stop", UPGRADE, facts(status="stopped"), WasDone),
    ("stop", UPGRADE, facts(status="running"), WasNotDone),
    # It is under way and will end; whoever takes it for not done leaves the module down.
    ("stop", UPGRADE, facts(status="stopping"), WasDone),
    ("start", UPGRADE, facts(status="running"), WasDone),
    ("start", UPGRADE, facts(status="stopped"), WasNotDone),
    ("start", UPGRADE, facts(status="stopping"), WasNotDone),
    ("snapshot", UPGRADE, facts(there=1), WasNotDone),
    ("snapshot", UPGRADE, facts(there=2), WasDone),
    ("snapshot", UPGRADE, facts(there=3), InDoubt),
    ("safety-snapshot", RESTORE, facts(there=2), WasDone),
    ("install", UPGRADE, facts(code=NEW_HASH), WasDone),
    ("install", UPGRADE, facts(code=OLD_HASH), WasNotDone),
    ("install", UPGRADE, facts(code=b"\x0e" * 32), InDoubt),
    ("install", UPGRADE, facts(code=None), InDoubt),
    # The same code again: only the time of the last install tells.
    ("install", SAME_CODE, facts(installed_ns=600), WasDone),
    ("install", SAME_CODE, facts(installed_ns=500), WasNotDone),
    ("install", SAME_CODE, facts(installed_ns=None), InDoubt),
    ("load", RESTORE, facts(code=LOADED_HASH, installed_ns=600), WasDone),
    ("load", RESTORE, facts(installed_ns=500), WasNotDone),
    ("load", RESTORE, facts(installed_ns=None), InDoubt),
    # Clearing the chunk store is done again where nobody knows.
    ("clear-chunks", UPGRADE, facts(), WasNotDone),
]


@pytest.mark.parametrize(("name", "program", "seen", "verdict"), VERDICTS)
def test_the_module_shows_what_became_of_the_call(name, program, seen, verdict):
    assert isinstance(reconcile(program, record(name), seen), verdict)


def test_on_the_way_back_the_old_hash_alone_shows_no_load():
    """The hash of the old code is what the load brings, and also what a stranger may have put."""
    loading = record("load", "back", last_install_at_ns=700)
    assert isinstance(reconcile(UPGRADE, loading, facts(installed_ns=700)), WasNotDone)
    assert isinstance(reconcile(UPGRADE, loading, facts(installed_ns=800)), WasDone)


def test_what_was_not_seen_before_proves_nothing():
    unseen = record("load", last_install_at_ns=None)
    assert isinstance(reconcile(RESTORE, unseen, facts(installed_ns=800)), InDoubt)


def test_a_snapshot_that_is_found_is_named_with_its_size():
    verdict = reconcile(UPGRADE, record("snapshot"), facts(there=2))
    assert verdict.evidence["id"] == str(snapshot_id(1))
    assert verdict.evidence["total_size_bytes"] == snapshots(2)[1].total_size_bytes
    assert verdict.evidence["settled"] == "by the module's state"


def test_several_new_snapshots_are_all_named():
    verdict = reconcile(UPGRADE, record("snapshot"), facts(there=3))
    assert str(snapshot_id(1)) in verdict.reason
    assert str(snapshot_id(2)) in verdict.reason
