"""The management canister, called by canisters."""

import pytest

from juno_snap.replica.management.methods import METHODS, UNSUPPORTED
from juno_snap.wire.candid import decode
from tests.replica.puppet import (
    ECHO,
    NOTE_ARG,
    NOTE_REFUNDED,
    NOTE_REJECT,
    call,
    held_open,
    manage,
    note,
    number,
    puppet,
    reply,
    run,
    traced,
)
from tests.replica.subnet_world import (
    ALICE,
    BOB,
    INSTALL,
    NOWHERE,
    module,
    new_world,
    refused,
    upgrade,
    wealth,
)

FEE = 500_000_000_000


@pytest.fixture
def world():
    return new_world()


@pytest.fixture
def manager(world):
    """A puppet that controls itself."""
    return held_open(world)


def ask(world, canister, method, /, *, cycles=0, **fields):
    """The result that a canister gets from the management canister."""
    program = manage(method, world.payload(method, **fields), cycles=cycles, on_reply=ECHO)
    values = decode(run(world, canister, program), METHODS[method].results)
    return values[0] if values else None


def reason(world, canister, method, payload=b"DIDL\0\0", **options):
    """How a canister is refused by the management canister: code and text."""
    asking = manage(method, payload, on_reject=NOTE_REJECT + reply(), **options)
    before = traced(world, canister)
    run(world, canister, asking)
    told = traced(world, canister).removeprefix(before)
    return int.from_bytes(told[:8], "little"), told[8:].decode()


def test_random_bytes_differ_each_time_and_a_run_repeats_them(world, manager):
    first, second = ask(world, manager, "raw_rand"), ask(world, manager, "raw_rand")
    assert len(first) == len(second) == 32
    assert first != second
    again = new_world()
    assert ask(again, held_open(again), "raw_rand") == first


def test_a_canister_creates_a_canister_and_pays_for_it(world, manager):
    before = wealth(world, manager)
    created = ask(world, manager, "create_canister", cycles=FEE + 7)["canister_id"]
    assert world.state_of(created).controllers == (manager,)
    assert world.state_of(created).cycles == 7
    assert wealth(world, manager) == before - FEE - 7


def test_a_creation_without_the_fee_is_refused_and_refunded(world, manager):
    before = wealth(world, manager)
    payload = world.payload("create_canister")
    assert reason(world, manager, "create_canister", payload, cycles=FEE - 1) == (
        4,
        (
            "IC0403: Creating a canister requires a fee of 500_000_000_000 that is deducted from "
            "the canister's initial balance but only 499_999_999_999 cycles were received with the "
            "create_canister request."
        ),
    )
    assert wealth(world, manager) == before


def test_a_canister_installs_and_upgrades_another_one(world, manager):
    created = ask(world, manager, "create_canister", cycles=2 * FEE)["canister_id"]
    for mode in (INSTALL, upgrade(persistence="keep")):
        ask(
            world,
            manager,
            "install_code",
            canister_id=created,
            mode=mode,
            wasm_module=puppet(),
            arg=b"",
            sender_canister_version=3,
        )
    info = ask(world, manager, "canister_info", canister_id=created, num_requested_changes=9)
    changes = info["recent_changes"]
    assert [change["details"].tag for change in changes] == ["creation", *["code_deployment"] * 2]
    assert [change["canister_version"] for change in changes] == [0, 1, 2]
    assert changes[1]["origin"].tag == "from_canister"
    assert changes[1]["origin"].value == {"canister_id": manager, "canister_version": 3}
    assert changes[0]["origin"].value["canister_version"] is None
    assert changes[2]["details"].value["mode"].tag == "upgrade"
    assert info["module_hash"] == world.state_of(created).module_hash
    assert info["controllers"] == [manager]


def test_a_canister_upgrades_itself_and_the_new_code_gets_the_answer(world, manager):
    payload = world.payload(
        "install_code",
        canister_id=manager,
        mode=upgrade(persistence="keep"),
        wasm_module=puppet(extra='(@custom "icp:public v" "2")'),
        arg=b"",
    )
    run(world, manager, note("1") + manage("install_code", payload, on_reply=note("2") + reply()))
    assert traced(world, manager) == b"2"  # the length of the trace is a global, which begins anew
    assert "v" in world.state_of(manager).metadata


def test_snapshots_are_taken_and_loaded_by_canisters(world, manager):
    target = world.running(module())
    controllers = {"controllers": [manager]}
    world.manage("update_settings", canister_id=target, settings=controllers)
    taken = ask(world, manager, "take_canister_snapshot", canister_id=target)
    world.call(target, "bump")
    changed = world.query(target, "read")
    ask(
        world,
        manager,
        "load_canister_snapshot",
        canister_id=target,
        snapshot_id=taken["id"],
    )
    assert world.query(target, "read") != changed
    info = ask(world, manager, "canister_info", canister_id=target, num_requested_changes=1)
    ((change),) = info["recent_changes"]
    assert change["details"].tag == "load_snapshot"
    assert change["details"].value["snapshot_id"] == taken["id"]
    assert change["details"].value["from_canister_id"] is None
    assert change["details"].value["source"].tag == "taken_from_canister"


def test_history_names_users_and_every_kind_of_change(world, manager):
    target = world.running(module())
    world.manage("update_settings", canister_id=target, settings={"controllers": [ALICE, BOB]})
    world.manage("uninstall_code", canister_id=target)
    info = ask(world, manager, "canister_info", canister_id=target, num_requested_changes=2)
    changed, uninstalled = info["recent_changes"]
    assert changed["details"].tag == "controllers_change"
    assert changed["details"].value == {"controllers": sorted([ALICE, BOB])}
    assert uninstalled["details"].tag == "code_uninstall"
    assert uninstalled["origin"].value == {"user_id": ALICE}
    assert (info["total_num_changes"], info["module_hash"]) == (4, None)
    assert ask(world, manager, "canister_info", canister_id=target)["recent_changes"] == []


def test_cycles_are_deposited_by_anyone(world, manager):
    target = world.create(amount=1)
    ask(world, manager, "deposit_cycles", cycles=41, canister_id=target)
    assert world.state_of(target).cycles == 42


def test_cycles_sent_to_a_method_that_takes_none_come_back(world, manager):
    before = wealth(world, manager)
    payload = world.payload("canister_status", canister_id=manager)
    asking = manage("canister_status", payload, cycles=9, on_reply=NOTE_REFUNDED + reply())
    run(world, manager, asking)
    assert traced(world, manager) == number(9)
    assert wealth(world, manager) == before


def test_metadata_is_public_or_for_controllers(world, manager):
    target = world.running(module())
    about = {"canister_id": target}
    public = ask(world, manager, "canister_metadata", name="candid:service", **about)
    assert public == {"value": b"service : {}"}
    payload = world.payload("canister_metadata", name="secret", **about)
    code, text = reason(world, manager, "canister_metadata", payload)
    assert code == 5
    assert text.startswith(f"IC0512: Only the controllers of the canister {target}")
    world.manage("update_settings", settings={"controllers": [ALICE, manager]}, **about)
    assert ask(world, manager, "canister_metadata", name="secret", **about) == {"value": b"42"}


def test_missing_metadata_is_said_to_be_missing(world, manager):
    target, empty = world.running(module()), world.create()
    for canister, expected in (
        (target, f"The canister {target} has no metadata section with the name none."),
        (empty, f"The canister {empty} has no Wasm module and hence no metadata is available."),
    ):
        payload = world.payload("canister_metadata", canister_id=canister, name="none")
        assert reason(world, manager, "canister_metadata", payload) == (4, f"IC0406: {expected}")


def test_what_controllers_may_do_others_may_not(world):
    stranger = world.running(puppet())
    target = world.create()
    payload = world.payload("start_canister", canister_id=target)
    code, text = reason(world, stranger, "start_canister", payload)
    assert code == 5
    assert text.startswith(f"IC0512: Only the controllers of the canister {target} can control it.")


def test_a_canister_cannot_delete_itself(world, manager):
    payload = world.payload("delete_canister", canister_id=manager)
    assert reason(world, manager, "delete_canister", payload) == (
        5,
        f"IC0512: Canister {manager} cannot delete itself.",
    )


def test_a_canister_waits_for_another_one_to_stop(world, manager):
    target = world.running(module())
    world.manage("update_settings", canister_id=target, settings={"controllers": [ALICE, manager]})
    ask(world, manager, "stop_canister", canister_id=target)
    assert world.ask("canister_status", canister_id=target)["status"].tag == "stopped"


@pytest.mark.parametrize("method", sorted(UNSUPPORTED))
def test_what_the_replica_does_not_have_is_refused_by_name(world, manager, method):
    assert reason(world, manager, method) == (
        4,
        f"IC0406: The local replica does not support the ic00 method {method}.",
    )


def test_unknown_methods_bad_payloads_and_missing_canisters_are_refused(world, manager):
    assert reason(world, manager, "fly") == (5, "IC0536: Management canister has no method 'fly'")
    code, text = reason(world, manager, "canister_status", b"no candid")
    assert (code, text.split(":")[0]) == (4, "IC0408")
    payload = world.payload("canister_status", canister_id=NOWHERE)
    found = reason(world, manager, "canister_status", payload)
    assert found == (3, f"IC0301: Canister {NOWHERE} not found")


@pytest.mark.parametrize("method", ["fetch_canister_logs", "list_canisters"])
def test_what_is_only_a_query_is_no_call(world, manager, method):
    assert reason(world, manager, method, b"") == (
        4,
        f"IC0406: {method} API is only accessible in non-replicated mode",
    )


def test_every_method_for_canisters_only_is_refused_to_users(world):
    only = [name for name, entry in METHODS.items() if not entry.ingress]
    assert {"create_canister", "raw_rand", "canister_info"} <= set(only)
    for method in only:
        request = world.management_call(method, b"")
        assert refused(lambda each=request: world.outcome(each)).error_code == "IC0406"


def test_calls_to_the_management_canister_keep_their_order(world, manager):
    program = b"".join(
        manage("raw_rand", world.payload("raw_rand"), on_reply=NOTE_ARG) for _ in range(3)
    )
    run(world, manager, program + call(manager, note("after") + reply(), on_reply=reply()))
    assert traced(world, manager).count(b"DIDL") == 3
