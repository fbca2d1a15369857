"""What the state itself keeps to: limits of history and log, ids, who may read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from juno_snap.ids import Principal
from juno_snap.replica.snapshots import display_id, is_heap_low, new_snapshot_id, owner_of
from juno_snap.replica.state import CANISTER_RANGES, Settings, SubnetState, Visibility, canister_id
from juno_snap.replica.state_history import (
    ChangeOrigin,
    ChangeRecord,
    CodeUninstall,
    Creation,
    History,
)
from juno_snap.replica.state_logs import Logs
from tests.replica.subnet_world import ALICE, BOB

BY_ALICE = ChangeOrigin(principal=ALICE)
FIRST_ID = "bnz7o-iuaaa-aaaaa-qaaaa-cai"


def change(version):
    return ChangeRecord(at_ns=1, canister_version=version, origin=BY_ALICE, details=CodeUninstall())


def test_the_first_canister_has_the_id_that_other_local_networks_give_out():
    assert str(SubnetState().new_canister_id()) == FIRST_ID


def test_ids_count_up():
    state = SubnetState()
    assert [state.new_canister_id().raw[7] for _ in range(3)] == [0, 1, 2]


def test_the_subnet_hosts_the_ids_it_gives_out_and_those_of_mainnet():
    ((first, last),) = CANISTER_RANGES
    assert first <= canister_id(0) <= Principal.parse("rdmx6-jaaaa-aaaaa-aaadq-cai") <= last
    assert first <= Principal.parse(FIRST_ID) <= canister_id(2**64 - 1) <= last


def test_the_history_keeps_the_newest_twenty_changes_and_counts_all():
    history = History()
    for version in range(25):
        history.add(change(version))
    assert [record.canister_version for record in history.changes] == list(range(5, 25))
    assert history.total == 25


def test_the_history_counts_as_memory_by_what_it_holds():
    short, long = History(), History()
    short.add(change(0))
    long.add(
        ChangeRecord(
            at_ns=1,
            canister_version=0,
            origin=BY_ALICE,
            details=Creation(controllers=(ALICE, BOB)),
        )
    )
    assert History().size_bytes == 0 < short.size_bytes < long.size_bytes


@settings(deadline=None)
@given(
    lines=st.lists(st.binary(max_size=300), max_size=60),
    limit=st.integers(min_value=4096, max_value=6000),
)
def test_the_log_keeps_the_newest_lines_that_fit(lines, limit):
    logs = Logs()
    for line in lines:
        logs.add((line,), at_ns=1, limit_bytes=limit)
    kept = [record.content for record in logs.records]
    assert logs.size_bytes <= limit
    assert kept == lines[len(lines) - len(kept) :]
    assert [record.idx for record in logs.records] == list(
        range(len(lines) - len(kept), len(lines))
    )
    if len(kept) < len(lines):
        assert logs.size_bytes + len(lines[-len(kept) - 1]) + 16 > limit


def test_a_line_longer_than_the_log_is_cut():
    logs = Logs()
    logs.add((b"x" * 5000,), at_ns=1, limit_bytes=4096)
    assert [len(record.content) for record in logs.records] == [4080]


def test_a_log_without_room_keeps_nothing():
    logs = Logs()
    logs.add((b"line",), at_ns=1, limit_bytes=0)
    assert logs.size_bytes == 0


def test_the_index_of_a_log_goes_on_after_it_was_cleared():
    logs = Logs()
    logs.add((b"one", b"two"), at_ns=1, limit_bytes=4096)
    logs.clear()
    logs.add((b"three",), at_ns=2, limit_bytes=4096)
    assert [record.idx for record in logs.records] == [2]


@pytest.mark.parametrize(
    ("visibility", "reader", "allowed"),
    [
        (Visibility(), ALICE, True),
        (Visibility(), BOB, False),
        (Visibility(kind="public"), BOB, True),
        (Visibility(kind="allowed_viewers", viewers=(BOB,)), BOB, True),
        (Visibility(kind="allowed_viewers", viewers=(BOB,)), ALICE, True),
        (Visibility(kind="allowed_viewers", viewers=()), BOB, False),
    ],
)
def test_visibility_says_who_reads_beside_the_controllers(visibility, reader, allowed):
    assert Settings(controllers=(ALICE,)).may_read(visibility, reader) is allowed


def test_a_snapshot_id_is_a_number_and_the_canister():
    snapshot_id = new_snapshot_id(Principal.parse(FIRST_ID), 10)
    assert snapshot_id.hex() == "000000000000000a80000000001000000101"
    assert owner_of(snapshot_id) == Principal.parse(FIRST_ID)
    assert display_id(snapshot_id) == f"{FIRST_ID}-10"


@pytest.mark.parametrize(
    ("heap", "limit", "threshold", "low"),
    [
        (10, 100, 90, False),
        (10, 100, 91, True),
        (2**32, 0, 0, False),
        (2**32, 0, 1, True),
    ],
)
def test_a_heap_is_low_where_less_than_the_threshold_is_left(heap, limit, threshold, low):
    assert is_heap_low(heap_bytes=heap, limit_bytes=limit, threshold_bytes=threshold) is low
