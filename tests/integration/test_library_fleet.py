"""Fleets as a program uses them."""

import asyncio
from pathlib import Path

import pytest

import juno_snap
from juno_snap.errors import (
    ConfigError,
    IdentityError,
    InputError,
    NotFoundError,
    PreconditionError,
)
from juno_snap.events import ItemsDone, Notice
from tests.integration.library_world import (
    V2,
    connections_to,
    document,
    store_with_a_document,
    version,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def connect(cli_replica, state):
    return connections_to(cli_replica, state)


def fleet_file(folder, modules, head="", upgrade='src = "v2.wasm"'):
    """A fleet file beside its code, with a first module before the others."""
    (folder / "v2.wasm").write_bytes(V2)
    file = folder / "fleet.toml"
    tables = "".join(f'[[modules]]\nmodule = "{each.id}"\n' for each in modules)
    file.write_text(
        f'[fleet]\nname = "shops"\nconcurrency = 2\n{head}[waves]\ncanary = 1\n'
        f'[upgrade]\n{upgrade}\n[backup]\ndirectory = "copies"\n{tables}',
        encoding="utf-8",
    )
    return file


async def test_a_fleet_is_planned_upgraded_backed_up_and_taken_back(connect, tmp_path):
    told = []
    async with connect() as network:
        modules = [await store_with_a_document(network) for _ in range(3)]
        fleet = network.fleet(fleet_file(tmp_path, modules))
        assert isinstance(fleet, juno_snap.Fleet)
        with pytest.raises(NotFoundError):
            fleet.status()
        plan = await fleet.plan()
        assert isinstance(plan, juno_snap.FleetPlan)
        assert (plan.refused, [each.wave for each in plan.members]) == (0, [1, 2, 2])
        report = await fleet.apply(on_event=told.append)
        assert isinstance(report, juno_snap.FleetReport)
        assert (report.is_good, report.outcomes) == (True, {"upgraded": 3})
        assert [await version(each) for each in modules] == ['("0.2.0")'] * 3
        assert max(each.done for each in told if isinstance(each, ItemsDone)) == 3
        assert any("wave 2 of 2" in each.text for each in told if isinstance(each, Notice))
        assert fleet.status() == report
        with pytest.raises(NotFoundError):
            await fleet.resume()
        copies = await fleet.backup()
        assert copies.outcomes == {"backed-up": 3}
        folders = [Path(line.result.backup).parent for line in copies.lines]
        assert folders == [tmp_path / "copies" / str(each.id) for each in modules]
        assert fleet.status("upgrade") == report
        for each in modules:
            await each.call("set_document", '("new", "text")')
        back = await fleet.roll_back_wave()
        assert back.outcomes == {"restored": 2}
        assert [await version(each) for each in modules] == [
            '("0.2.0")', '("0.1.0")', '("0.1.0")',
        ]  # fmt: skip
        assert await document(modules[1]) == '(opt "hello")'
        assert await document(modules[1], "new") == "(null)"


async def test_a_fleet_with_bad_code_stops_and_the_error_carries_the_report(connect, tmp_path):
    bad = 'src = "v2.wasm"\nhealth_timeout_seconds = 1\nchecks = [\'version() == "9.9.9"\']'
    async with connect() as network:
        modules = [await store_with_a_document(network) for _ in range(2)]
        fleet = network.fleet(fleet_file(tmp_path, modules, upgrade=bad))
        with pytest.raises(juno_snap.FleetFailedError) as caught:
            await fleet.apply()
        assert caught.value.report.outcomes == {"rolled-back": 1, "pending": 1}
        with pytest.raises(PreconditionError) as refused:
            await fleet.apply()
        assert refused.value.code == "fleet-stopped"
        with pytest.raises(juno_snap.FleetFailedError) as caught:
            await fleet.resume()
        assert caught.value.report.outcomes == {"rolled-back": 2}
        assert [await version(each) for each in modules] == ['("0.1.0")'] * 2


async def test_a_cancelled_fleet_starts_its_modules_and_goes_on(connect, tmp_path):
    async with connect() as network:
        modules = [await store_with_a_document(network) for _ in range(3)]
        file = fleet_file(tmp_path, modules)
        is_upgraded = asyncio.Event()

        def watch(event):
            if isinstance(event, ItemsDone):
                is_upgraded.set()

        task = asyncio.create_task(network.fleet(file).apply(on_event=watch))
        await is_upgraded.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [(await each.status()).status for each in modules] == ["running"] * 3
        assert network.fleet(file).status().state == "stopped"
    async with connect() as network:
        report = await network.fleet(file).resume()
        assert report.outcomes == {"upgraded": 3}
        again = [await network.module(each.id).snapshots() for each in modules]
        assert [len(each.snapshots) for each in again] == [1] * 3


async def test_a_fleet_names_modules_as_the_configuration_does(connect, tmp_path):
    async with connect() as network:
        modules = [await store_with_a_document(network) for _ in range(2)]
    config = tmp_path / "juno-snap.toml"
    config.write_text(
        "".join(
            f'[modules.{name}]\ncanister = "{each.id}"\nrole = "satellite"\n'
            for name, each in zip(("north", "south"), modules, strict=True)
        ),
        encoding="utf-8",
    )
    file = fleet_file(tmp_path, [])
    file.write_text(file.read_text("utf-8") + '[[modules]]\nrole = "satellite"\n', encoding="utf-8")
    async with connect(config=config) as network:
        plan = await network.fleet(file).plan("backup")
        assert [each.member.name for each in plan.members] == ["north", "south"]
        file.write_text(file.read_text("utf-8").replace("satellite", "orbiter"), encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            await network.fleet(file).plan()
        assert caught.value.code == "no-target"
        with pytest.raises(NotFoundError):
            await network.fleet(tmp_path / "absent.toml").apply()


async def test_a_kind_of_run_that_there_is_not_is_refused_and_named(connect, tmp_path):
    async with connect() as network:
        fleet = network.fleet(fleet_file(tmp_path, [await store_with_a_document(network)]))
        for said in (fleet.plan, fleet.resume, fleet.status):
            with pytest.raises(InputError, match="nonsense") as caught:
                await said("nonsense")
            assert caught.value.value == "nonsense"


async def test_nobody_works_on_a_fleet_of_mainnet_anonymously(state, tmp_path):
    url = "http://127.0.0.1:9"  # nobody answers; what is refused here is refused without asking
    async with juno_snap.connect(url, root_key="ic", identity="anonymous", state=state) as network:
        fleet = network.fleet(fleet_file(tmp_path, [network.module("ryjl3-tyaaa-aaaaa-aaaba-cai")]))
        for change in (fleet.apply(), fleet.backup()):
            with pytest.raises(IdentityError) as caught:
                await change
            assert caught.value.code == "anonymous"
