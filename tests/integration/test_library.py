"""The library as a program uses it: connect, module, snapshots, upgrades, resume."""

import asyncio
import base64
import json
import logging
from pathlib import Path

import pytest

import juno_snap
from juno_snap.agent.identity import anonymous
from juno_snap.agent.root_key import MAINNET_ROOT_KEY
from juno_snap.errors import (
    ConfigError,
    IdentityError,
    InputError,
    LockedError,
    NotFoundError,
    PreconditionError,
)
from juno_snap.events import Notice, StepFinished, StepStarted
from juno_snap.juno.credentials.login import Login
from juno_snap.juno.credentials.store import store_file
from juno_snap.pipeline.journal.lock import module_lock
from tests.fake_clock import FakeClock
from tests.integration.cli_world import juno_snap as run_command
from tests.integration.library_world import (
    V2,
    V3,
    connections_to,
    document,
    store_with_a_document,
    version,
)
from tests.integration.management_world import OWNER, STRANGER

pytestmark = pytest.mark.anyio

OWNER_SEED = bytes(31) + b"\x01"
SOON = juno_snap.UpgradeRequest(health_timeout_seconds=1)


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def connect(cli_replica, state):
    return connections_to(cli_replica, state)


async def test_an_upgrade_tells_its_steps_and_returns_a_typed_report(connect, tmp_path):
    (tmp_path / "v2.wasm").write_bytes(V2)
    told = []
    async with connect() as network:
        module = await store_with_a_document(network)
        report = await module.upgrade(
            str(tmp_path / "v2.wasm"), checks=['version() == "0.2.0"'], on_event=told.append
        )
        assert isinstance(report, juno_snap.UpgradeReport)
        assert report.outcome == "upgraded"
        assert [check["ok"] for check in report.checks] == [True]
        assert await version(module) == '("0.2.0")'
        assert await document(module) == '(opt "hello")'
        there = await module.snapshots()
        assert [each.id for each in there.snapshots] == [report.snapshot]
    begun = [event.step for event in told if isinstance(event, StepStarted)]
    ended = [event.step for event in told if isinstance(event, StepFinished)]
    assert begun[:6] == ["observe", "stop", "snapshot", "install", "start", "verify"]
    assert ended == begun


async def test_a_bad_release_goes_back_and_the_error_carries_the_report(connect):
    async with connect() as network:
        module = await store_with_a_document(network)
        with pytest.raises(juno_snap.OperationFailedError) as caught:
            await module.upgrade(V3, SOON, checks=['document("greeting") == opt "hello"'])
        assert caught.value.report.outcome == "rolled-back"
        assert caught.value.runs_old_code
        assert await version(module) == '("0.1.0")'
        assert await document(module) == '(opt "hello")'


async def test_a_plan_changes_nothing_and_says_what_would_be_refused(connect):
    async with connect() as network:
        module = await store_with_a_document(network)
        plan = await module.plan_upgrade(V2, checks=["nothing() == 1"])
        assert [refusal.code for refusal in plan.outline.refusals] == ["check-method-missing"]
        with pytest.raises(PreconditionError):
            await module.upgrade(V2, checks=["nothing() == 1"])
        assert (await module.snapshots()).snapshots == ()
        assert await version(module) == '("0.1.0")'


async def test_a_release_is_rehearsed_before_it_is_installed(connect, state):
    async with connect() as network:
        module = await store_with_a_document(network)
        before = (await module.status()).version
        bad = await module.rehearse(V3, SOON, checks=['document("greeting") == opt "hello"'])
        assert (bad.passed, bad.copy) == (False, None)
        with pytest.raises(juno_snap.RehearsalFailedError, match="greeting") as caught:
            bad.require_passed()
        assert caught.value.report is bad
        good = await module.rehearse(V2, checks=['version() == "0.2.0"'], keep_copy=True)
        good.require_passed()
        assert Path(good.copy).is_relative_to(state)
        again = await module.rehearse(V2, backup=Path(good.copy))
        assert (again.passed, again.copy) == (True, None)
        assert (await module.status()).version == before
        assert (await module.snapshots()).snapshots == ()
        assert await version(module) == '("0.1.0")'
        assert (await module.upgrade(V2)).outcome == "upgraded"


async def test_snapshots_are_taken_labelled_protected_loaded_and_deleted(connect):
    async with connect() as network:
        module = await store_with_a_document(network)
        taken = await module.take_snapshot(label="before", protect=True)
        await module.call("set_document", '("greeting", "bye")')
        loaded = await module.load_snapshot("before")
        assert (loaded.snapshot, loaded.outcome) == (taken.snapshot.id, "restored")
        assert await document(module) == '(opt "hello")'
        detail = await module.snapshot("before")
        assert (detail.note.label, detail.note.is_protected) == ("before", True)
        with pytest.raises(PreconditionError) as refused:
            await module.delete_snapshot("before")
        assert refused.value.code == "snapshot-protected"
        await module.protect_snapshot("before", protect=False)
        await module.label_snapshot("before", "after")
        gone = await module.delete_snapshot("after", loaded.safety_snapshot)
        assert set(gone.deleted) == {taken.snapshot.id, loaded.safety_snapshot}
        assert (await module.snapshots()).snapshots == ()


async def test_a_person_goes_back_to_before_the_last_upgrade(connect):
    async with connect() as network:
        module = await store_with_a_document(network)
        upgraded = await module.upgrade(V2)
        report = await module.roll_back()
        assert (report.snapshot, report.outcome) == (upgraded.snapshot, "restored")
        assert await version(module) == '("0.1.0")'
        assert await document(module) == '(opt "hello")'


async def test_programs_and_the_command_line_share_a_history(connect, state, cli_replica):
    async with connect() as network:
        module = await store_with_a_document(network)
        report = await module.upgrade(V2)
        (known,) = network.history(module=module)
        assert (known.begun.id, known.outcome) == (report.facts.operation, "upgraded")
    command = ["history", "--module", str(module.id), "--state", str(state), "--json"]
    command += ["--network", cli_replica.url, "--root-key", cli_replica.root_key.hex()]
    ran = await in_a_thread(lambda: juno_snap_command(*command))
    assert [each["operation"] for each in ran["operations"]] == [report.facts.operation]


def juno_snap_command(*words):
    ran = run_command(*words)
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


async def in_a_thread(work):
    """What needs an event loop of its own."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


async def test_a_cancelled_upgrade_starts_the_module_and_is_gone_on_with(connect):
    async with connect() as network:
        module = await store_with_a_document(network)
        is_stopped = asyncio.Event()

        def watch(event):
            if isinstance(event, StepStarted) and event.step == "snapshot":
                is_stopped.set()

        task = asyncio.create_task(module.upgrade(V2, on_event=watch))
        await is_stopped.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await module.status()).status == "running"
        assert await version(module) == '("0.1.0")'
        report = await module.upgrade(V2)
        assert report.outcome == "upgraded"


async def test_an_operation_that_was_left_is_brought_to_its_end(connect):
    async with connect() as network:
        module = await store_with_a_document(network)

        def leave(event):
            if isinstance(event, StepStarted) and event.step == "install":
                task.cancel()
                asyncio.get_running_loop().call_soon(task.cancel)

        task = asyncio.create_task(module.upgrade(V2, on_event=leave))
        with pytest.raises(juno_snap.OperationCancelledError) as left:
            await task
    async with connect() as network:
        (known,) = network.unfinished()
        assert known.begun.id == left.value.report.facts.operation
        module = network.module(module.id)
        with pytest.raises(PreconditionError) as refused:
            await module.upgrade(V3)
        assert refused.value.code == "unfinished-operation"
        report = await network.resume(module=module, direction="forward")
        assert (report.outcome, report.facts.operation) == ("upgraded", known.begun.id)
        assert await version(module) == '("0.2.0")'
        assert await document(module) == '(opt "hello")'
        assert network.unfinished() == ()


async def test_a_callback_that_fails_is_logged_and_stops_nothing(connect, caplog):
    def watch(event):
        raise ValueError(f"no {event}")

    async with connect(on_event=watch) as network:
        module = await store_with_a_document(network)
        with caplog.at_level(logging.ERROR):
            report = await module.upgrade(V2)
    assert report.outcome == "upgraded"
    assert "StepStarted" in caplog.text


async def test_two_operations_on_one_module_exclude_each_other(connect, state, cli_replica):
    async with connect() as network:
        module = await store_with_a_document(network)
        with module_lock(state, cli_replica.root_key, module.id, clock=FakeClock()):
            with pytest.raises(LockedError):
                await module.upgrade(V2)
            with pytest.raises(LockedError):
                await module.take_snapshot()
        assert (await module.upgrade(V2)).outcome == "upgraded"


async def test_what_is_configured_guards_a_program_that_names_the_file(connect, tmp_path):
    async with connect() as network:
        module = await store_with_a_document(network)
        kept = (await module.take_snapshot()).snapshot.id
    file = tmp_path / "guards.toml"
    file.write_text(
        "[upgrade]\nhealth_timeout_seconds = 1\n"
        f'[modules.shop]\ncanister = "{module.id}"\nprotected_snapshots = ["{kept}"]\n'
        '[[modules.shop.checks]]\ncall = \'document("greeting") == opt "hello"\'\n',
        encoding="utf-8",
    )
    async with connect(config=file) as network:
        shop = network.module("shop")
        assert shop.id == module.id
        with pytest.raises(PreconditionError):
            await shop.delete_snapshot(kept)
        with pytest.raises(juno_snap.OperationFailedError) as caught:
            await shop.upgrade(V3)
        assert caught.value.report.outcome == "rolled-back"
    async with connect() as network:
        with pytest.raises(NotFoundError):
            network.module("shop")


async def test_no_file_and_no_variable_is_read_that_was_not_named(
    connect, tmp_path, monkeypatch, cli_replica
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "juno-snap.toml").write_text("this is no TOML", encoding="utf-8")
    monkeypatch.setenv("JUNO_SNAP_IDENTITY", "nobody")
    monkeypatch.setenv("JUNO_SNAP_NETWORK", "ic")
    async with connect() as network:
        assert network.identity.principal == OWNER.principal
        assert network.name == cli_replica.url


async def test_the_state_directory_is_where_the_command_line_has_it(
    cli_replica, tmp_path, monkeypatch
):
    monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path / "said"))
    async with juno_snap.connect(cli_replica.url, root_key=cli_replica.root_key.hex()) as network:
        first = network.identity.principal
        assert network.history() == ()
    assert (tmp_path / "said" / "journal.sqlite").is_file()
    async with juno_snap.connect(cli_replica.url, root_key=cli_replica.root_key) as network:
        assert network.identity.principal == first, "one key is made, and stays"


async def test_a_key_comes_from_a_file_or_by_its_name(connect, tmp_path):
    (tmp_path / "owner.pem").write_bytes(OWNER.to_pem(passphrase=b"secret"))
    async with connect(identity=tmp_path / "owner.pem", passphrase="secret") as network:
        assert network.identity.principal == OWNER.principal
    async with connect(identity="anonymous") as network:
        assert network.identity.principal == anonymous().principal
    for options, code in [
        ({"identity": tmp_path / "owner.pem"}, "identity-passphrase"),
        ({"identity": str(tmp_path / "absent.pem")}, "identity-not-found"),
        ({"identity": "nobody"}, "unknown-identity"),
    ]:
        with pytest.raises(IdentityError) as caught:
            await enter(connect(**options))
        assert caught.value.code == code


async def test_keys_of_other_tools_are_named_as_on_the_command_line(connect, monkeypatch):
    pair = [OWNER.public_key_der.hex(), OWNER_SEED.hex()]
    for name in ("juno:token", "juno:store", "icp:nobody"):
        with pytest.raises(IdentityError) as caught:
            await enter(connect(identity=name))
        assert caught.value.code in {"identity-not-found", "unknown-identity"}
    token = base64.b64encode(json.dumps({"token": pair}).encode()).decode()
    monkeypatch.setenv("JUNO_TOKEN", token)
    file = store_file(Login())
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"token": pair}))
    for name in ("juno:token", "juno:store"):
        async with connect(identity=name) as network:
            assert network.identity.principal == OWNER.principal


async def enter(context):
    async with context:
        pass


async def test_a_stranger_is_refused_and_nothing_changes(connect):
    async with connect() as network:
        module = await store_with_a_document(network)
    async with connect(identity=STRANGER) as network:
        with pytest.raises(PreconditionError):
            await network.module(module.id).upgrade(V2)
    async with connect() as network:
        assert await version(network.module(str(module.id))) == '("0.1.0")'


async def test_mainnet_needs_a_named_key_and_is_not_changed_anonymously(state):
    url = "http://127.0.0.1:9"  # nobody answers; what is refused here is refused without asking
    with pytest.raises(IdentityError) as caught:
        await enter(juno_snap.connect(url, root_key=MAINNET_ROOT_KEY, state=state))
    assert caught.value.code == "no-identity"
    async with juno_snap.connect(url, root_key="ic", identity="anonymous", state=state) as network:
        assert network.is_mainnet
        module = network.module("ryjl3-tyaaa-aaaaa-aaaba-cai")
        for change in (module.upgrade(V2), module.take_snapshot(), module.roll_back()):
            with pytest.raises(IdentityError) as caught:
                await change
            assert caught.value.code == "anonymous"


async def test_a_fetched_root_key_is_told(cli_replica, state):
    told = []
    async with juno_snap.connect(
        cli_replica.url, root_key="fetch", identity=OWNER, state=state, on_event=told.append
    ) as network:
        assert network.workspace.root_key == cli_replica.root_key
    (notice,) = told
    assert isinstance(notice, Notice)
    assert cli_replica.url in notice.text


async def test_what_cannot_be_meant_is_refused(connect, cli_replica, state):
    for network, options in [("nowhere", {}), ("local", {}), (cli_replica.url, {})]:
        with pytest.raises(ConfigError):
            await enter(juno_snap.connect(network, identity=OWNER, state=state, **options))
    async with connect() as network:
        with pytest.raises(InputError):
            network.module("ryjl3-tyaaa-aaaaa-aaaba-caa")
        with pytest.raises(NotFoundError):
            await network.resume()
        module = network.module("ryjl3-tyaaa-aaaaa-aaaba-cai")
        with pytest.raises(NotFoundError):
            await module.upgrade(Path("absent.wasm"))
        with pytest.raises(InputError):
            await module.upgrade(b"no Wasm")
        with pytest.raises(InputError):
            await module.upgrade(V2, checks=["version"])
