"""Counting the cycles of a canister from outside."""

from juno_snap.replica.rules import Rules
from juno_snap.units import GIB, NS_PER_SECOND
from tests.replica.subnet_world import new_world

FREE_STORAGE = Rules(storage_cycles_per_gib_second=0)
BILLION, TRILLION = 10**9, 10**12
MESSAGE_BYTES = 500
INGRESS = 1_200_000 + 2_000 * MESSAGE_BYTES
BASE = 5_000_000
SET_ASIDE = BASE + 40 * BILLION
DAY_SECONDS = 86_400
MONTH_SECONDS = 30 * DAY_SECONDS


def world_with(wasm=None, rules=FREE_STORAGE):
    """A world whose messages have a size that is known, and a canister in it."""
    world = new_world(rules=rules)
    canister = world.create() if wasm is None else world.running(wasm)
    world.size_bytes = MESSAGE_BYTES
    return world, canister


def cost(world, canister, act):
    before = world.state_of(canister).cycles
    act()
    return before - world.state_of(canister).cycles


def out_of_cycles(canister, missing):
    return (
        f"Canister {canister} is out of cycles: please top up the canister with at least "
        f"{missing:_} additional cycles"
    )


def freezing_limit(memory_bytes, seconds=MONTH_SECONDS):
    per_day = memory_bytes * 127_000 * DAY_SECONDS // GIB
    return per_day * seconds // DAY_SECONDS


def sleep(world, seconds):
    world.now_ns += seconds * NS_PER_SECOND
