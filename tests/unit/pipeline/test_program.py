"""A program is kept as JSON, and is the same when it is read back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.errors import PreconditionError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.types import Reinstall, Upgrade
from juno_snap.pipeline.checks.model import CheckSpec
from juno_snap.pipeline.program import (
    Before,
    InstallChange,
    LoadChange,
    Program,
    Save,
    digest_of,
)
from juno_snap.pipeline.request import Patience
from tests.unit.pipeline.programs import install_change, restore_program, upgrade_program
from tests.unit.pipeline.values import seen, snapshots

PRINCIPALS = st.binary(max_size=29).map(Principal)
SNAPSHOTS = st.binary(min_size=9, max_size=37).map(SnapshotId)
DIGESTS = st.binary(min_size=32, max_size=32)
SECONDS = st.floats(min_value=0, max_value=1e6)
CHECKS = st.builds(
    CheckSpec,
    kind=st.sampled_from(["call", "command", "version"]),
    text=st.text(),
    method=st.text(),
    args=st.text(),
    expected=st.text(),
    command=st.lists(st.text()).map(tuple),
    timeout_seconds=SECONDS,
)
PROGRAMS = st.builds(
    Program,
    kind=st.sampled_from(["upgrade", "restore", "rollback", "snapshot"]),
    module=PRINCIPALS,
    before=st.builds(
        Before,
        status=st.sampled_from(["running", "stopping", "stopped"]),
        module_hash=st.none() | DIGESTS,
        controllers=st.lists(PRINCIPALS).map(tuple),
        snapshots=st.lists(SNAPSHOTS).map(tuple),
        last_install_at_ns=st.none() | st.integers(min_value=0, max_value=2**63),
    ),
    sends_stop=st.booleans(),
    sends_start=st.booleans(),
    stop_timeout_seconds=SECONDS,
    save=st.none()
    | st.builds(
        Save,
        purpose=st.sampled_from(["upgrade", "safety", "user"]),
        replaced=st.none() | SNAPSHOTS,
        is_optional=st.booleans(),
        label=st.none() | st.text(),
        is_protected=st.booleans(),
    ),
    change=st.none()
    | st.builds(LoadChange, snapshot=SNAPSHOTS)
    | st.builds(
        InstallChange,
        is_reset=st.booleans(),
        skip_pre_upgrade=st.booleans(),
        memory_persistence=st.sampled_from([None, "keep", "replace"]),
        wasm_name=st.text(),
        wasm_sha256=DIGESTS,
        arg_sha256=DIGESTS,
        is_chunked=st.booleans(),
        clears_first=st.booleans(),
        clears_last=st.booleans(),
    ),
    checks=st.lists(CHECKS, max_size=3).map(tuple),
    goes_back=st.booleans(),
    delete_after=st.lists(SNAPSHOTS, max_size=3).map(tuple),
    versions_passed=st.integers(min_value=0),
    of_operation=st.none() | st.text(),
    patience=st.builds(Patience, pause_seconds=SECONDS, load_seconds=SECONDS),
)


@given(PROGRAMS)
def test_what_is_read_back_is_what_was_written(program):
    text = json.dumps(program.to_json())
    assert Program.from_json(json.loads(text)) == program


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "migration"},
        {"module": "not a principal"},
        {"before": None},
        {"change": {"kind": "load", "snapshot": "xyz"}},
        {"checks": [{"kind": "guess", "text": "?"}]},
    ],
)
def test_what_means_nothing_here_is_refused_with_the_way_out(change):
    document = {**upgrade_program().to_json(), **change}
    with pytest.raises(PreconditionError) as caught:
        Program.from_json(document)
    assert caught.value.code == "program-unreadable"
    assert "the version that began it" in caught.value.hint


def test_the_kind_of_change_is_kept_apart():
    assert isinstance(Program.from_json(restore_program().to_json()).change, LoadChange)
    assert isinstance(Program.from_json(upgrade_program().to_json()).change, InstallChange)


def test_the_state_before_is_taken_from_what_was_observed():
    there = snapshots(2)
    before = Before.of(seen(snapshots=there, status="stopped"))
    assert before.status == "stopped"
    assert before.snapshots == tuple(each.id for each in there)
    assert before.last_install_at_ns == 500


def test_the_mode_is_said_as_the_network_wants_it():
    assert install_change(is_reset=True).mode == Reinstall()
    keeping = install_change(skip_pre_upgrade=True, memory_persistence="keep")
    assert keeping.mode == Upgrade(skip_pre_upgrade=True, wasm_memory_persistence="keep")


def test_the_same_wish_has_the_same_digest_and_another_has_another():
    wish = {"kind": "upgrade", "module": "x", "keep": 2}
    assert digest_of(wish) == digest_of(dict(reversed(wish.items())))
    assert digest_of(wish) != digest_of({**wish, "keep": 3})
