"""Creation, top up, start, stop, deletion and uninstalling."""

import pytest

from juno_snap.ids import Principal
from juno_snap.replica.state import FIRST_CANISTER_NUMBER, LAST_CANISTER_NUMBER, canister_id
from juno_snap.replica.state_history import CodeUninstall, Creation
from juno_snap.wire.request_id import hash_of_map
from tests.replica.subnet_world import ALICE, BOB, SUBNET_ID, module, new_world, refused

MAINNET_ID = Principal.parse("rdmx6-jaaaa-aaaaa-aaadq-cai")


def test_a_new_canister_is_empty_running_and_its_creators():
    world = new_world()
    status = world.ask("canister_status", canister_id=world.create())
    assert status["status"].tag == "running"
    assert status["module_hash"] is None
    assert status["version"] == 0
    assert status["cycles"] == 100_000_000_000_000
    assert status["settings"]["controllers"] == [ALICE]


def test_a_canister_is_created_with_cycles_settings_and_history():
    world = new_world()
    variables = [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]
    canister = world.state_of(
        world.create(amount=5, settings={"controllers": [BOB], "environment_variables": variables})
    )
    assert (canister.cycles, canister.controllers) == (5, (BOB,))
    (record,) = canister.history.changes
    assert record.details == Creation(
        controllers=(BOB,), environment_variables_hash=hash_of_map({"A": "1", "B": "2"})
    )
    assert (record.origin.principal, record.canister_version) == (ALICE, 0)
    assert record.at_ns == canister.created_at_ns == world.now_ns


def test_ids_are_never_used_again():
    world = new_world()
    first = world.create()
    world.manage("stop_canister", canister_id=first)
    world.manage("delete_canister", canister_id=first)
    assert world.create() != first


def test_a_canister_can_have_its_mainnet_id():
    world = new_world()
    assert world.create(specified_id=MAINNET_ID) == MAINNET_ID
    reject = refused(lambda: world.create(specified_id=MAINNET_ID))
    assert (reject.error_code, reject.message) == (
        "IC0538",
        f"Canister {MAINNET_ID} is already installed.",
    )


@pytest.mark.parametrize("number", [FIRST_CANISTER_NUMBER, LAST_CANISTER_NUMBER])
def test_an_id_that_will_be_given_out_cannot_be_asked_for(number):
    reject = refused(lambda: new_world().create(specified_id=canister_id(number)))
    assert reject.error_code == "IC0408"
    assert reject.message.startswith(f"The `specified_id` {canister_id(number)} is invalid")


@pytest.mark.parametrize("foreign", [Principal(b""), ALICE, Principal(bytes(10))])
def test_an_id_that_no_canister_has_cannot_be_asked_for(foreign):
    reject = refused(lambda: new_world().create(specified_id=foreign))
    assert reject.error_code == "IC0405"
    assert reject.message == (
        f"Unsuccessful validation of specified ID: Specified CanisterId {foreign} is not hosted "
        f"by subnet {SUBNET_ID}."
    )


def test_a_subnet_runs_out_of_ids():
    world = new_world()
    world.subnet.state.next_canister_number = LAST_CANISTER_NUMBER
    world.create()
    assert refused(world.create).error_code == "IC0101"


def test_a_failed_creation_leaves_no_trace():
    world = new_world()
    before = world.subnet.state.next_canister_number
    refused(lambda: world.create(settings={"compute_allocation": 101}))
    assert not world.subnet.canisters
    assert world.subnet.state.next_canister_number == before


def test_anybody_can_top_up():
    world = new_world()
    canister = world.create(amount=5)
    world.manage("provisional_top_up_canister", BOB, canister_id=canister, amount=7)
    assert world.state_of(canister).cycles == 12


def test_stopping_and_starting_show_in_the_status():
    world = new_world()
    canister = world.running(module())
    world.manage("stop_canister", canister_id=canister)
    stopped = world.manage("canister_status", canister_id=canister)
    assert (stopped["status"].tag, stopped["ready_for_migration"]) == ("stopped", True)
    world.manage("start_canister", canister_id=canister)
    assert world.manage("canister_status", canister_id=canister)["status"].tag == "running"
    world.call(canister, "bump")


def test_only_a_stopped_canister_can_be_deleted():
    world = new_world()
    canister = world.create()
    reject = refused(lambda: world.manage("delete_canister", canister_id=canister))
    assert (reject.error_code, reject.message) == (
        "IC0510",
        f"Canister {canister} must be stopped before it is deleted.",
    )


def test_a_canister_cannot_delete_itself():
    world = new_world()
    canister = world.create(specified_id=MAINNET_ID, settings={"controllers": [MAINNET_ID]})
    reject = refused(lambda: world.manage("delete_canister", MAINNET_ID, canister_id=canister))
    assert (reject.error_code, reject.message) == (
        "IC0512",
        f"Canister {canister} cannot delete itself.",
    )


def test_deletion_takes_the_snapshots_with_it():
    world = new_world()
    canister, other = world.running(module()), world.running(module())
    snapshot = world.snapshot(canister)["id"]
    world.manage("stop_canister", canister_id=canister)
    world.manage("delete_canister", canister_id=canister)
    assert canister not in world.subnet.canisters
    reject = refused(
        lambda: world.manage("load_canister_snapshot", canister_id=other, snapshot_id=snapshot)
    )
    assert reject.error_code == "IC0305"


def test_uninstalling_empties_a_canister_and_keeps_what_is_not_code():
    world = new_world()
    canister = world.running(module())
    world.call(canister, "certify", b"root")
    world.call(canister, "say", b"hello")
    world.manage("upload_chunk", canister_id=canister, chunk=b"chunk")
    world.snapshot(canister)
    before = world.state_of(canister).cycles
    world.manage("uninstall_code", canister_id=canister)
    state = world.state_of(canister)
    assert (state.module_hash, state.certified_data, state.metadata) == (None, b"", {})
    assert (state.last_install_at_ns, state.chunks, len(state.logs.records)) == (None, {}, 0)
    assert len(state.snapshots) == 1
    assert state.controllers == (ALICE,)
    assert 0 <= before - state.cycles < 10_000_000
    assert state.history.changes[-1].details == CodeUninstall()


def test_uninstalling_an_empty_canister_succeeds():
    world = new_world()
    canister = world.create()
    world.manage("uninstall_code", canister_id=canister)
    assert world.state_of(canister).version == 1
