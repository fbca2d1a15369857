"""What a plan says of cycles beside what the replica charges, and where it refuses.

The replica charges as a subnet of 13 nodes does. A module is made poor by its freezing threshold:
the longer it is, the more of its cycles have to stay where they are.
"""

import re
import sys

import pytest

from juno_snap.errors import PreconditionError, RejectedError
from juno_snap.management.types import CanisterSettings, Install
from juno_snap.pipeline.create import prepare_create
from juno_snap.pipeline.policy import NoSnapshot
from juno_snap.pipeline.report import OperationFailedError
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.upgrade import prepare_upgrade, run_upgrade
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.server import run_replica
from tests.integration.management_world import client_of
from tests.integration.pipeline_world import (
    LIFTED,
    V1,
    V2,
    candidate,
    document,
    grown,
    set_document,
)
from tests.replica.metered import metered

pytestmark = pytest.mark.anyio

BILLION = 10**9
MILLION = 10**6
SHORT = 60 * MILLION
"""What a module is short of: more than messages that the plan reckons with and that are not sent
before the install."""

SPARE = 30 * MILLION
"""What it has more than it needs: more than looking at it costs."""

CANDIDATES = [
    pytest.param(V2, {}, id="one message"),
    pytest.param(grown(V2, 2.5), {}, id="chunks"),
    pytest.param(V2, {"snapshots": NoSnapshot()}, id="no snapshot"),
    pytest.param(metered(is_64_bit=True), {}, id="64-bit"),
]


@pytest.fixture(scope="module")
def replica():
    with run_replica() as running:
        yield running


@pytest.fixture
async def workspace(replica):
    async with client_of(replica) as client:
        yield Workspace.in_memory(client)


async def module_with(workspace, billions):
    """A module with a document and about so many cycles."""
    client = workspace.client
    module = await client.provisional_create_canister(cycles=billions * BILLION)
    await client.install_code(module, Install(), V1, b"DIDL\x00\x00")
    await set_document(client, module, "greeting", "hello")
    return module


async def prepared(workspace, module, wasm, **options):
    return await prepare_upgrade(
        workspace, module, UpgradeRequest(juno=LIFTED, **options), candidate(wasm)
    )


async def leave(workspace, module, plan, spare):
    """Let the module have ``spare`` cycles above what ``plan()`` requires; negative: too few.

    What has to stay grows in proportion to the freezing threshold; the rest does not depend on it.
    """
    for _ in range(3):
        cycles = await plan()
        status = await workspace.client.canister_status(module)
        threshold = status.settings.freezing_threshold_seconds
        staying = cycles.freezing_reserve + cycles.snapshot_reserve
        wanted = staying + cycles.available - cycles.required - spare
        setting = CanisterSettings(freezing_threshold_seconds=threshold * wanted // staying)
        await workspace.client.update_settings(module, setting)


async def runs_as_before(workspace, module):
    """Whether it runs its old code with its data."""
    status = await workspace.client.canister_status(module)
    # A module whose cycles all have to stay answers nobody.
    await workspace.client.update_settings(module, CanisterSettings(freezing_threshold_seconds=1))
    content = await document(workspace.client, module, "greeting")
    is_old = status.module_hash == candidate(V1).sha256
    return (status.status, is_old, content) == ("running", True, "hello")


def missing_by(error):
    """What the replica says is missing, in cycles."""
    return int(re.search(r"at least ([0-9_]+) additional", str(error), re.IGNORECASE)[1])


def tell(capsys, text):
    """Show what was measured, also where pytest captures output."""
    with capsys.disabled():
        sys.stdout.write(f"\n{text}\n")


@pytest.mark.parametrize(("wasm", "options"), CANDIDATES)
async def test_with_just_enough_cycles_the_plan_and_the_replica_let_an_upgrade_pass(
    workspace, wasm, options
):
    module = await module_with(workspace, 1_000)

    async def plan():
        return (await prepared(workspace, module, wasm, **options)).plan.decision.cycles

    await leave(workspace, module, plan, SPARE)
    ready = await prepared(workspace, module, wasm, **options)
    assert ready.plan.outline.refusals == ()
    cycles = ready.plan.decision.cycles
    assert 0 < cycles.available - cycles.required < SHORT
    report = await run_upgrade(workspace, ready)
    assert report.outcome == "upgraded"


@pytest.mark.parametrize(("wasm", "options"), CANDIDATES)
async def test_with_too_few_the_plan_refuses_and_without_it_the_replica_refuses_the_install(
    workspace, wasm, options, capsys
):
    module = await module_with(workspace, 1_000)

    async def plan():
        return (await prepared(workspace, module, wasm, **options)).plan.decision.cycles

    await leave(workspace, module, plan, -SHORT)
    refused = await prepared(workspace, module, wasm, **options)
    with pytest.raises(PreconditionError) as by_plan:
        await run_upgrade(workspace, refused)
    assert by_plan.value.code == "not-enough-cycles"
    forced = await prepared(workspace, module, wasm, **options, force=True)
    with pytest.raises(OperationFailedError) as by_replica:
        await run_upgrade(workspace, forced)
    assert by_replica.value.step == "install"
    assert by_replica.value.runs_old_code
    assert "IC0207" in str(by_replica.value)
    cycles = forced.plan.decision.cycles
    factor = cycles.required / (cycles.available + missing_by(by_replica.value))
    tell(capsys, f"for the install the plan asks for {factor:.6f} of what the replica asks for")
    assert 1 <= factor < 1.001
    assert await runs_as_before(workspace, module)


async def test_a_snapshot_that_cannot_be_kept_is_refused_by_the_plan_and_by_the_replica(
    workspace, capsys
):
    module = await module_with(workspace, 1_000)
    client = workspace.client

    async def plan():
        return (await prepare_create(workspace, module)).plan.outline.cycles

    await leave(workspace, module, plan, -SHORT)
    refused = await prepared(workspace, module, V2)
    assert [each.code for each in refused.plan.outline.refusals] == ["not-enough-cycles"]
    forced = await prepared(workspace, module, V2, force=True)
    with pytest.raises(OperationFailedError) as by_replica:
        await run_upgrade(workspace, forced)
    assert by_replica.value.step == "snapshot"
    assert by_replica.value.runs_old_code
    assert forced.plan.decision.cycles.required > forced.plan.decision.cycles.available

    cycles = await plan()
    with pytest.raises(RejectedError) as by_hand:
        await client.take_canister_snapshot(module)
    factor = cycles.required / (cycles.available + missing_by(by_hand.value))
    tell(capsys, f"for a snapshot the plan asks for {factor:.6f} of what the replica asks for")
    assert 1 <= factor < 1.001
    assert await runs_as_before(workspace, module)


async def test_with_just_enough_cycles_a_snapshot_is_taken(workspace):
    module = await module_with(workspace, 1_000)

    async def plan():
        return (await prepare_create(workspace, module)).plan.outline.cycles

    await leave(workspace, module, plan, SPARE)
    cycles = await plan()
    assert 0 < cycles.available - cycles.required < SHORT
    await workspace.client.take_canister_snapshot(module)


async def test_topped_up_with_what_the_plan_says_is_missing_the_upgrade_passes(workspace):
    module = await module_with(workspace, 320)
    month = 30 * 86_400
    settings = CanisterSettings(freezing_threshold_seconds=40 * month)
    await workspace.client.update_settings(module, settings)
    refused = await prepared(workspace, module, V2)
    cycles = refused.plan.decision.cycles
    assert not cycles.ok
    missing = cycles.required - cycles.available
    assert missing > BILLION
    # The plan looked at the module too, and looking costs a little.
    await workspace.client.provisional_top_up(module, missing + 10 * MILLION)
    report = await run_upgrade(workspace, await prepared(workspace, module, V2))
    assert report.outcome == "upgraded"


async def test_a_heap_beyond_the_modules_limit_is_refused_by_the_plan_and_by_the_replica(workspace):
    module = await module_with(workspace, 1_000)
    settings = CanisterSettings(wasm_memory_limit_bytes=candidate(V2).heap_min_bytes - 1)
    await workspace.client.update_settings(module, settings)
    refused = await prepared(workspace, module, V2)
    assert [each.code for each in refused.plan.outline.refusals] == ["wasm-memory-limit"]
    with pytest.raises(OperationFailedError) as by_replica:
        await run_upgrade(workspace, await prepared(workspace, module, V2, force=True))
    assert "IC0539" in str(by_replica.value)
