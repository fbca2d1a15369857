"""Running out of cycles and of patience: what a client is told, over HTTP, on the local replica."""

import gzip

import pytest

from juno_snap.clock import system_clock
from juno_snap.management.canister import plain_call
from juno_snap.management.types import CanisterSettings, Install, Upgrade
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.replica.server import run_replica
from juno_snap.units import TRILLION_CYCLES, WASM_PAGE_BYTES
from juno_snap.wire.leb128 import encode_unsigned
from tests.integration.management_world import (
    STRANGER,
    call,
    client_of,
    install_talker,
    rejects,
    talker,
)

pytestmark = pytest.mark.anyio
BILLION = 10**9

WRITER = """
(module
  (import "ic0" "msg_reply" (func $reply))
  (memory 2560)
  (func (export "canister_update write")
    (memory.fill (i32.const 0) (i32.const 7) (i32.const 167772160)) (call $reply)))
"""


class StoppedClock:
    """The time at which it was made, so that no round of the network passes."""

    def __init__(self):
        self._clock = system_clock()
        self._now_ns = self._clock.now_ns()

    def now_ns(self):
        return self._now_ns

    def monotonic_ns(self):
        return self._clock.monotonic_ns()

    async def sleep(self, seconds):
        await self._clock.sleep(seconds)


@pytest.fixture(scope="module")
def replica():
    with run_replica() as running:
        yield running


@pytest.fixture(scope="module")
def strict_replica():
    options = ReplicaOptions(
        rate_limits=True,
        snapshot_loadable_after_seconds=3600,
        storage_cycles_per_gib_second=254_000,
    )
    with run_replica(options, clock=StoppedClock()) as running:
        yield running


def heavy_module():
    """4 MB of code that does nothing: installing it counts some 11 billion instructions."""
    body = b"\x00" + b"\x01" * 499_998 + b"\x0b"
    bodies = (encode_unsigned(len(body)) + body) * 8
    sections = {1: b"\x01\x60\x00\x00", 3: b"\x08" + bytes(8), 10: b"\x08" + bodies}
    parts = [
        bytes([number]) + encode_unsigned(len(payload)) + payload
        for number, payload in sections.items()
    ]
    return gzip.compress(b"\x00asm\x01\x00\x00\x00" + b"".join(parts))


async def balance(client, module):
    """By a query, which is free."""
    return (await client.canister_status(module, as_query=True)).cycles


async def test_a_call_costs_each_byte_that_was_sent(replica):
    async with client_of(replica) as client:
        module = await client.provisional_create_canister()
        before = await balance(client, module)
        prepared = client.prepare(plain_call("start_canister", module))
        await client.agent.submit(prepared)
        spent = before - await balance(client, module)
        assert spent == 1_200_000 + 2_000 * len(prepared.body)


async def test_who_cannot_pay_for_a_message_is_refused_before_a_round(replica):
    async with client_of(replica) as client, client_of(replica, STRANGER) as stranger:
        module = await client.provisional_create_canister(cycles=1_000_000)
        with rejects("IC0207", "with at least [0-9_]+ additional cycles", certified=False):
            await client.start_canister(module)
        with rejects("IC0207", f"Canister {module} is out of cycles$", certified=False):
            await stranger.start_canister(module)
        await client.provisional_top_up(module, TRILLION_CYCLES)
        await client.start_canister(module)


async def test_an_installation_that_cannot_be_paid_is_refused_with_what_is_missing(replica):
    async with client_of(replica) as client:
        module = await client.provisional_create_canister(cycles=300 * BILLION)
        with rejects("IC0207", r"Canister installation failed with `Canister .* cycles`\.$"):
            await client.install_code(module, Install(), talker(), b"")
        await client.provisional_top_up(module, 100 * BILLION)
        await client.install_code(module, Install(), talker(), b"")
        assert await balance(client, module) > 399 * BILLION, "what was set aside came back"


async def test_a_snapshot_that_cannot_be_paid_is_refused_with_what_is_missing(replica):
    async with client_of(replica) as client:
        module = await client.provisional_create_canister(cycles=400 * BILLION)
        await client.install_code(module, Install(), talker(), b"")
        month_seconds = 30 * 86_400
        idle = (await client.canister_status(module)).idle_cycles_burned_per_day
        left = await balance(client, module)
        frozen_but_for_a_billion = (left - BILLION) * month_seconds // (idle * 30)
        await client.update_settings(
            module, CanisterSettings(freezing_threshold_seconds=frozen_but_for_a_billion)
        )
        with rejects("IC0532", "Canister cannot grow memory by [0-9]+ bytes due to insufficient"):
            await client.take_canister_snapshot(module)
        with rejects("IC0532"):
            await client.upload_chunk(module, b"chunk")


async def test_a_frozen_module_answers_again_when_it_is_topped_up(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        await client.update_settings(module, CanisterSettings(freezing_threshold_seconds=2**60))
        with rejects("IC0207", certified=False):
            await call(client, module, "speak")
        with rejects(
            "IC0207", "unable to process query calls because it's frozen", certified=False
        ):
            await client.agent.query(module, "counted", b"DIDL\0\0")
        await client.update_settings(module, CanisterSettings(freezing_threshold_seconds=1))
        await call(client, module, "speak")


async def test_two_large_installations_at_once_are_too_many(strict_replica):
    async with client_of(strict_replica) as client:
        module = await client.provisional_create_canister()
        await client.install_code(module, Install(), heavy_module(), b"")
        with rejects("IC0209", "Please retry installation after several minutes"):
            await client.install_code(module, Upgrade(), heavy_module(), b"")


async def test_a_module_that_has_written_much_has_to_wait_for_its_snapshot(strict_replica):
    async with client_of(strict_replica) as client:
        module = await client.provisional_create_canister()
        await client.install_code(module, Install(), wasm_from_text(WRITER), b"")
        await call(client, module, "write")
        with rejects("IC0210", "is heap delta rate limited: current delta debit is"):
            await client.take_canister_snapshot(module)
        with rejects("IC0504", "Canister is heap delta rate limited. Current delta debit"):
            await client.upload_chunk(module, b"chunk")


async def test_a_snapshot_can_be_too_young_for_another_module(strict_replica):
    async with client_of(strict_replica) as client:
        snapshot = await client.take_canister_snapshot(await install_talker(client))
        other = await client.provisional_create_canister()
        with rejects("IC0406", "is not currently loadable on the specified canister"):
            await client.load_canister_snapshot(other, snapshot.id)


async def test_storage_has_the_price_that_the_replica_was_given(strict_replica):
    async with client_of(strict_replica) as client:
        status = await client.canister_status(await install_talker(client))
        a_day = status.memory_size_bytes * 254_000 * 86_400 // 2**30
        assert status.idle_cycles_burned_per_day == a_day


async def test_a_usual_replica_has_no_such_limits(replica):
    async with client_of(replica) as client:
        module = await client.provisional_create_canister()
        await client.install_code(module, Install(), heavy_module(), b"")
        await client.install_code(module, Upgrade(), wasm_from_text(WRITER), b"")
        await call(client, module, "write")
        snapshot = await client.take_canister_snapshot(module)
        assert snapshot.total_size_bytes > 2560 * WASM_PAGE_BYTES
        await client.load_canister_snapshot(await install_talker(client), snapshot.id)
