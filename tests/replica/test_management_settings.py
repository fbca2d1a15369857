"""Settings: what is taken over, what is refused, and with which words."""

import pytest

from juno_snap.replica.state import Visibility
from juno_snap.replica.state_history import ControllersChange
from juno_snap.wire.candid import Tagged
from tests.replica.subnet_world import ALICE, BOB, module, new_world, refused

MANY = [type(ALICE)(bytes([number])) for number in range(1, 12)]
VARIABLE = {"name": "N", "value": "V"}


def update(world, canister, **settings):
    world.manage("update_settings", canister_id=canister, settings=settings)


def test_what_is_not_given_stays():
    world = new_world()
    canister = world.create(settings={"freezing_threshold": 7, "compute_allocation": 3})
    update(world, canister, compute_allocation=4)
    settings = world.state_of(canister).settings
    assert (settings.freezing_threshold_seconds, settings.compute_allocation_percent) == (7, 4)


def test_every_setting_comes_back_in_the_status():
    world = new_world()
    wanted = {
        "controllers": [ALICE],
        "compute_allocation": 1,
        "memory_allocation": 2**20,
        "freezing_threshold": 3,
        "reserved_cycles_limit": 4,
        "minimum_incoming_canister_call_cycles": 5,
        "log_visibility": Tagged("public"),
        "snapshot_visibility": Tagged("allowed_viewers", [BOB]),
        "status_visibility": Tagged("controllers"),
        "log_memory_limit": 5000,
        "wasm_memory_limit": 6,
        "wasm_memory_threshold": 7,
        "environment_variables": [VARIABLE],
    }
    canister = world.create()
    update(world, canister, **wanted)
    assert world.manage("canister_status", canister_id=canister)["settings"] == wanted


def test_controllers_are_sorted_and_unique():
    world = new_world()
    canister = world.create(settings={"controllers": [BOB, ALICE, BOB]})
    assert world.state_of(canister).controllers == tuple(sorted([ALICE, BOB]))


def test_giving_controllers_is_noted_in_the_history_even_if_they_stay():
    world = new_world()
    canister = world.create()
    update(world, canister, compute_allocation=1)
    assert world.state_of(canister).history.total == 1
    update(world, canister, controllers=[ALICE])
    record = world.state_of(canister).history.changes[-1]
    assert record.details == ControllersChange(controllers=(ALICE,))
    assert record.canister_version == world.state_of(canister).version == 2


def test_a_canister_without_controllers_cannot_be_changed_any_more():
    world = new_world()
    canister = world.create()
    update(world, canister, controllers=[])
    assert refused(lambda: update(world, canister)).error_code == "IC0512"


def test_a_smaller_log_drops_old_lines():
    world = new_world()
    canister = world.running(module())
    update(world, canister, log_memory_limit=2**20)
    for _ in range(10):
        world.call(canister, "say", b"x" * 1000)
    update(world, canister, log_memory_limit=0)
    assert world.state_of(canister).logs.size_bytes == 0


def test_environment_variables_reach_the_settings_sorted():
    world = new_world()
    canister = world.create(
        settings={"environment_variables": [{"name": "Z", "value": "1"}, VARIABLE]}
    )
    assert world.state_of(canister).settings.environment_variables == (("N", "V"), ("Z", "1"))


REFUSALS = {
    "compute allocation": (
        {"compute_allocation": 101},
        "IC0504",
        "ComputeAllocation expected to be in the range [0..100], got 101",
    ),
    "memory allocation": (
        {"memory_allocation": 2**64},
        "IC0504",
        "MemoryAllocation expected to be in the range [0..2^64-1], got 18_446_744_073_709_551_616",
    ),
    "freezing threshold": (
        {"freezing_threshold": 2**64},
        "IC0504",
        "Freezing threshold expected to be in the range of [0..2^64-1], got 18_446_744",
    ),
    "reserved cycles": (
        {"reserved_cycles_limit": 2**128},
        "IC0504",
        "Reserved cycles limit expected to be in the range of [0..2^128-1], got",
    ),
    "call cycles": (
        {"minimum_incoming_canister_call_cycles": 2**128},
        "IC0504",
        "Minimum incoming canister call cycles expected to be in the range",
    ),
    "log size": ({"log_memory_limit": 2**64}, "IC0504", "Log memory limit expected to be in"),
    "memory limit": (
        {"wasm_memory_limit": 2**48 + 1},
        "IC0504",
        "Wasm memory limit expected to be in the range",
    ),
    "memory threshold": (
        {"wasm_memory_threshold": 2**48 + 1},
        "IC0504",
        "Wasm memory threshold expected to be in the range",
    ),
    "more memory than there is": (
        {"memory_allocation": 2**42},
        "IC0101",
        "Canister requested 4096.00 GiB of memory but only 2048.00 GiB are available in the subnet",
    ),
    "controllers": (
        {"controllers": MANY},
        "IC0504",
        "Could not validate the settings: Invalid settings: 'controllers' length exceeds maximum",
    ),
    "viewers": (
        {"log_visibility": Tagged("allowed_viewers", MANY)},
        "IC0408",
        "Error decoding candid: The number of elements exceeds maximum allowed 10",
    ),
    "variables": (
        {"environment_variables": [{"name": str(n), "value": ""} for n in range(21)]},
        "IC0408",
        "Too many environment variables: 21 (max: 20)",
    ),
    "duplicate variables": (
        {"environment_variables": [VARIABLE, VARIABLE]},
        "IC0408",
        "Duplicate environment variables are not allowed",
    ),
    "long name": (
        {"environment_variables": [{"name": "ä" * 65, "value": ""}]},
        "IC0408",
        'Environment variable name "ää',
    ),
    "long value": (
        {"environment_variables": [{"name": "", "value": "x" * 129}]},
        "IC0408",
        'Environment variable value "xx',
    ),
    "small log": (
        {"log_memory_limit": 4095},
        "IC0406",
        "The canister log memory limit 4095 is too low. It must be at least 4096.",
    ),
    "large log": (
        {"log_memory_limit": 2_097_153},
        "IC0406",
        "The canister log memory limit 2097153 is too high. It must be at most 2097152.",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_impossible_settings_are_refused_and_change_nothing(name):
    settings, error_code, text = REFUSALS[name]
    world = new_world()
    canister = world.create()
    before = world.state_of(canister).settings
    reject = refused(lambda: update(world, canister, **settings))
    assert reject.error_code == error_code
    assert reject.message.startswith(text)
    assert world.state_of(canister).settings is before
    assert world.state_of(canister).version == 0
    assert refused(lambda: world.create(settings=settings)).error_code == error_code


@pytest.mark.parametrize(
    "settings",
    [
        {"compute_allocation": 100, "controllers": MANY[:10]},
        {"wasm_memory_limit": 2**48, "wasm_memory_threshold": 2**48},
        {"reserved_cycles_limit": 2**128 - 1, "freezing_threshold": 2**64 - 1},
        {"memory_allocation": 2**41 - 2**20},
        {"log_memory_limit": 4096},
        {"environment_variables": [{"name": "x" * 128, "value": "ä" * 64}]},
    ],
)
def test_the_largest_allowed_settings_are_taken(settings):
    world = new_world()
    update(world, world.create(amount=10**16), **settings)


def test_the_memory_of_others_is_not_available():
    world = new_world()
    world.create(amount=10**15, settings={"memory_allocation": 2**40})
    reject = refused(lambda: world.create(settings={"memory_allocation": 2**40 + 2**39}))
    assert reject.error_code == "IC0101"
    assert "1536.00 GiB of memory but only 1024.00 GiB" in reject.message


def test_a_limit_below_what_is_reserved_is_refused():
    world = new_world()
    canister = world.create()
    world.state_of(canister).reserved_cycles = 10
    reject = refused(lambda: update(world, canister, reserved_cycles_limit=9))
    assert reject.error_code == "IC0540"
    assert reject.message.endswith("9 below the reserved cycles balance of the canister 10.")


def test_the_first_of_several_faults_is_named():
    world = new_world()
    canister = world.create()
    reject = refused(lambda: update(world, canister, controllers=MANY, freezing_threshold=2**64))
    assert reject.message.startswith("Freezing threshold")


def test_visibility_can_be_closed_again():
    world = new_world()
    canister = world.create(settings={"log_visibility": Tagged("public")})
    update(world, canister, log_visibility=Tagged("controllers"))
    assert world.state_of(canister).settings.log_visibility == Visibility()
