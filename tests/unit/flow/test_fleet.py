"""Waves, and when which module may begin."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.errors import ConfigError, InputError, NotFoundError
from juno_snap.flow.fleet import Fleet, Member, MemberResult, wave_sizes
from juno_snap.flow.fleet_file import load_fleet_file
from juno_snap.flow.fleet_gate import FleetStoppedError, Gate
from juno_snap.flow.fleet_report import (
    FleetFailedError,
    FleetReport,
    MemberLine,
    kind_to_resume,
)
from juno_snap.flow.fleet_run import run_fleet
from juno_snap.flow.load import load_flow
from juno_snap.flow.model import RunRecord
from juno_snap.flow.space import FlowSpace
from juno_snap.ids import Principal
from juno_snap.pipeline.request import UpgradeRequest

MEMBERS = tuple(Member(module=Principal(bytes([number, 1, 1]))) for number in range(4))
FLEET = Fleet(name="shops", kind="upgrade", members=MEMBERS, wave_sizes=(1, 3))


@pytest.mark.parametrize(
    ("count", "canary", "percentages", "sizes"),
    [
        (10, 0, (), (10,)),
        (10, 1, (), (1, 9)),
        (10, 1, (10, 50), (1, 4, 5)),
        (10, 2, (25, 100), (2, 1, 7)),
        (3, 5, (50,), (3,)),
        (200, 1, (1, 10, 50), (1, 1, 18, 80, 100)),
    ],
)
def test_waves_are_the_canary_then_shares_of_the_fleet_then_the_rest(
    count, canary, percentages, sizes
):
    assert wave_sizes(count, canary=canary, percentages=percentages) == sizes


@given(
    st.integers(1, 2000),
    st.integers(0, 50),
    st.lists(st.integers(1, 100), unique=True, max_size=5).map(sorted),
)
def test_each_module_is_in_one_wave_and_no_wave_is_empty(count, canary, percentages):
    sizes = wave_sizes(count, canary=canary, percentages=percentages)
    assert sum(sizes) == count
    assert all(size > 0 for size in sizes)


def test_a_module_is_in_a_fleet_once():
    with pytest.raises(InputError, match="twice"):
        replace(FLEET, members=(*MEMBERS[:3], MEMBERS[0]))


def test_what_is_done_with_which_module_makes_a_fleet_another_one():
    stricter = replace(MEMBERS[0], request=UpgradeRequest(health_timeout_seconds=5))
    for other in (
        replace(FLEET, kind="backup"),
        replace(FLEET, wave_sizes=(2, 2)),
        replace(FLEET, members=(stricter, *MEMBERS[1:])),
        replace(FLEET, members=MEMBERS[::-1]),
    ):
        assert other.digest() != FLEET.digest()
    started = replace(MEMBERS[0], request=UpgradeRequest(found_stopped="start"))
    for same in (
        replace(FLEET, concurrency=3, pause_seconds=5, stop_after_failures=9),
        replace(FLEET, members=(started, *MEMBERS[1:])),
    ):
        assert same.digest() == FLEET.digest()


@pytest.mark.anyio
async def test_a_wave_waits_for_the_one_before():
    gate = Gate((1, 2), ended=0, failed=0, stop_after_failures=1)
    await gate.reach(1)
    await gate.enter()
    second = asyncio.ensure_future(gate.reach(2))
    await asyncio.sleep(0)
    assert not second.done()
    await gate.leave(is_good=True)
    await second


@pytest.mark.anyio
async def test_nobody_begins_after_too_many_failures_and_who_has_begun_ends():
    gate = Gate((4,), ended=1, failed=1, stop_after_failures=2)
    for _ in range(2):
        await gate.enter()
    await gate.leave(is_good=False)
    third = asyncio.ensure_future(gate.enter())
    await asyncio.sleep(0.01)
    assert not third.done()  # one is still under way
    await gate.leave(is_good=True)
    with pytest.raises(FleetStoppedError, match="2 modules"):
        await third
    assert gate.is_stopped


@pytest.mark.anyio
async def test_a_module_that_was_broken_off_has_neither_ended_nor_failed():
    gate = Gate((2,), ended=0, failed=0, stop_after_failures=1)
    await gate.enter()
    await gate.leave(is_good=None)
    assert (gate.active, gate.ended, gate.failed) == (0, 0, 0)


@pytest.mark.parametrize(
    ("upgrade", "module", "key"),
    [
        ("src = 'a'\nlatest = true", "", "upgrade"),
        ("version = '0.1'", "", "upgrade.version"),
        ("latest = true", "src = 'a'\nversion = '0.1.0'", "modules.0"),
        ("allow = ['anything']", "", "upgrade.allow.0"),
        (f"sha256 = '{'0' * 64}'", "src = 'a'", "upgrade"),
        ("src = 'a'", f"sha256 = '{'0' * 64}'", "modules.0"),
    ],
)
def test_code_is_said_in_one_way(tmp_path, upgrade, module, key):
    file = tmp_path / "fleet.toml"
    file.write_text(
        f"[fleet]\nname = 'a'\n[upgrade]\n{upgrade}\n[[modules]]\nmodule = 'm'\n{module}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load_fleet_file(file)
    assert (caught.value.key, caught.value.source) == (key, str(file))


@pytest.mark.parametrize(
    ("load", "text"),
    [
        (load_fleet_file, "[fleet]\nname = 'a'\n[[modules]]\nmodule = 'm'\n"),
        (
            lambda file: load_flow(str(file)),
            "[flow]\nname = 'a'\n[[steps]]\nid = 's'\nfunction = 'steps.py:step'\n",
        ),
    ],
    ids=["fleet", "flow"],
)
def test_a_file_may_begin_with_a_byte_order_mark(tmp_path, load, text):
    (tmp_path / "steps.py").write_text(
        "def step(msg, cfg, snapshot):\n    pass\n", encoding="utf-8"
    )
    file = tmp_path / "file.toml"
    for begins in "", "\ufeff":
        file.write_text(begins + text, encoding="utf-8")
        assert load(file)


async def done(_member, _run, _observer):
    return MemberResult(outcome="upgraded")


async def cut(fleet, space):
    """A run that is cancelled at its first module."""
    is_begun = asyncio.Event()

    async def work(*_):
        is_begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(run_fleet(fleet, space, work))
    await is_begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.anyio
@pytest.mark.parametrize("is_cut", [False, True], ids=["begins anew", "goes on"])
async def test_a_rollback_that_was_cut_is_over_once_the_upgrade(tmp_path, is_cut):
    space, back = FlowSpace(state=tmp_path), replace(FLEET, kind="rollback")
    await (cut(FLEET, space) if is_cut else run_fleet(FLEET, space, done))
    await cut(back, space)
    assert kind_to_resume(space, FLEET.name, "rollback") == "rollback"
    await run_fleet(FLEET, space, done)
    with pytest.raises(NotFoundError, match="no run to go on with") as caught:
        kind_to_resume(space, FLEET.name, None)
    assert "--roll-back-wave" in caught.value.hint
    await cut(replace(FLEET, concurrency=1), space)
    assert kind_to_resume(space, FLEET.name, None) == "upgrade"


def test_latest_and_the_release_that_was_asked_for_make_a_fleet_another_one():
    asked = replace(MEMBERS[0], release="latest")
    fleet = replace(FLEET, members=(asked, *MEMBERS[1:]))
    other = replace(fleet, members=(replace(asked, release="0.1.0"), *MEMBERS[1:]))
    assert len({FLEET.digest(), fleet.digest(), other.digest()}) == 3
    refused = replace(asked, refusal=InputError("not now", value="m"))
    assert replace(fleet, members=(refused, *MEMBERS[1:])).digest() == fleet.digest()


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("upgraded", "it was stopped with 1 of 2 modules left"),
        ("rolled-back", "it was stopped with 1 of 2 modules left; 1 failed"),
    ],
)
def test_who_has_a_fleet_stopped_is_not_told_that_it_failed(outcome, said):
    run = RunRecord(
        id="r", flow="f", state="stopped", began_at_ns=1, ended_at_ns=2, error=None, units={}
    )
    results = [MemberResult(outcome=outcome), None]
    lines = tuple(MemberLine(module=m, name=None, wave=1, result=r) for m, r in enumerate(results))
    report = FleetReport(name="shops", kind="upgrade", state="stopped", run=run, lines=lines)
    error = FleetFailedError(report)
    assert error.message == said
    assert "fleet resume FILE" in error.hint
