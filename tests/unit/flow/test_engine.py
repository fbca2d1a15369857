import asyncio
import contextlib
import json
import threading

import pytest

from juno_snap.errors import (
    ConfigError,
    FlowError,
    InputError,
    LockedError,
    OperationError,
    PreconditionError,
)
from juno_snap.events import Notice, StepFinished, StepStarted
from juno_snap.flow.engine import RunOptions, run_flow
from juno_snap.flow.flow import Attempts, Flow
from juno_snap.flow.space import FlowSpace
from tests.fake_clock import FakeClock

pytestmark = pytest.mark.anyio

AT_ONCE = Attempts(most=1)


@pytest.fixture
def space(tmp_path):
    return FlowSpace(state=tmp_path)


def counter():
    flow = Flow("counter")

    @flow.step("count")
    def count(msg, cfg, snapshot, ctx):
        snapshot["iteration"] = snapshot.get("iteration", 0) + 1
        ctx.emit("snapshot", snapshot)
        ctx.emit("data", {"iteration": snapshot["iteration"]})

    return flow


def value_of(space, flow, step):
    with space.open() as store:
        found = store.snapshot(flow, step)
    return found and found.value


@pytest.mark.proves("B18", "B29", "B32", "B34", "A6", "B6")
async def test_a_counter_counts_its_runs(space):
    outputs = [(await run_flow(counter(), space)).outputs for _ in range(3)]
    assert outputs == [({"iteration": 1},), ({"iteration": 2},), ({"iteration": 3},)]
    assert value_of(space, "counter", "count") == {"iteration": 3}


@pytest.mark.proves("A1", "B3", "B25")
async def test_the_next_run_starts_from_the_value_that_was_set_back(space):
    await run_flow(counter(), space)
    await run_flow(counter(), space)
    space.set_snapshot("counter", "count", {"iteration": 1, "by": "hand"})
    report = await run_flow(counter(), space)
    assert report.outputs == ({"iteration": 2},)
    assert value_of(space, "counter", "count") == {"iteration": 2, "by": "hand"}


@pytest.mark.proves("B31", "B35")
async def test_at_first_and_after_a_reset_the_snapshot_is_an_empty_object(space):
    seen = []
    flow = Flow("f")

    @flow.step("a")
    def look(msg, cfg, snapshot, ctx):
        seen.append(dict(snapshot))
        snapshot["own"] = True  # a copy: nothing is emitted
        ctx.emit("snapshot", {"n": len(seen)})

    await run_flow(flow, space)
    space.reset("f", None)
    await run_flow(flow, space)
    assert seen == [{}, {}]
    assert value_of(space, "f", "a") == {"n": 2}


@pytest.mark.parametrize("value", ["2017-01-01T00:00:00.000Z", 7, None, True, [1, "a"], ""])
@pytest.mark.proves("A5", "B26")
async def test_what_a_run_emitted_last_is_what_the_next_one_gets(space, value):
    seen = []
    flow = Flow("f")

    @flow.step("a")
    async def keep(msg, cfg, snapshot, ctx):
        seen.append(snapshot)
        await ctx.emit("snapshot", value)

    await run_flow(flow, space)
    await run_flow(flow, space)
    assert seen == [{}, value]


@pytest.mark.proves("A7", "A18", "B17", "B23")
async def test_the_marker_names_the_last_action_and_nobody_reads_it_but_the_step(space):
    flow = Flow("f")

    @flow.step("a")
    def act(msg, cfg, snapshot, ctx):
        for action in "abc":
            ctx.emit("snapshot", {"$last": action, "type": "anything"})

    await run_flow(flow, space)
    assert value_of(space, "f", "a") == {"$last": "c", "type": "anything"}


async def test_data_flow_from_step_to_step_in_order(space):
    flow = Flow("f")

    @flow.step("numbers")
    def numbers(msg, cfg, snapshot, ctx):
        for number in range(msg["count"]):
            ctx.emit("data", number)

    @flow.step("double")
    async def double(msg, cfg, snapshot):
        return msg * 2

    @flow.step("sum")
    def add(msg, cfg, snapshot, *, ctx=None):
        return [msg]

    report = await run_flow(flow, space, RunOptions(message={"count": 5}))
    assert report.outputs == ([0], [2], [4], [6], [8])
    assert report.run.units["double"] == {"done": 5}


async def test_more_messages_than_are_read_at_once_are_all_handed_on(space):
    flow = Flow("f")
    taken = []

    @flow.step("a")
    def many(msg, cfg, snapshot, ctx):
        for number in range(250):
            ctx.emit("data", number)

    @flow.step("b", concurrency=7)
    async def take(msg, cfg, snapshot):
        await asyncio.sleep(0)
        taken.append(msg)

    await run_flow(flow, space)
    assert sorted(taken) == list(range(250))


async def test_messages_are_worked_on_at_once_and_share_the_snapshot(space):
    flow, live, most = Flow("f"), [], []

    @flow.step("a")
    def many(msg, cfg, snapshot, ctx):
        for number in range(12):
            ctx.emit("data", number, item=f"m{number}")

    @flow.step("b", concurrency=4)
    async def take(msg, cfg, snapshot, ctx):
        live.append(msg)
        most.append(len(live))
        await asyncio.sleep(0.01)
        live.remove(msg)
        ctx.update({ctx.item: msg})

    await run_flow(flow, space)
    assert max(most) == 4
    assert value_of(space, "f", "b") == {f"m{number}": number for number in range(12)}


def failing(times, *, emits=()):
    """A flow that fails so often, after it has emitted something."""
    flow, calls = Flow("f"), []

    @flow.step("a")
    def fail(msg, cfg, snapshot, ctx):
        calls.append(snapshot)
        for kind, value in emits:
            ctx.emit(kind, value)
        if len(calls) <= times:
            raise OSError("not today")

    @flow.step("b")
    def after(msg, cfg, snapshot):
        return msg

    return flow, calls


async def test_a_step_that_fails_is_tried_again_with_waits_that_grow(tmp_path):
    clock = FakeClock()
    space = FlowSpace(state=tmp_path, clock=clock)
    flow, calls = failing(2)
    report = await run_flow(flow, space, entropy=bytes)
    assert (report.state, len(calls)) == ("done", 3)
    assert [wait for wait in clock.sleeps if wait >= 1] == [1, 2]


async def test_a_step_that_fails_too_often_needs_attention(tmp_path):
    space = FlowSpace(state=tmp_path, clock=FakeClock())
    flow, calls = failing(5)
    with pytest.raises(FlowError, match="OSError: not today") as failed:
        await run_flow(flow, space)
    assert failed.value.fields["step"] == "a"
    assert len(calls) == 3
    with pytest.raises(PreconditionError) as refused:
        await run_flow(flow, space)
    assert refused.value.code == "needs-attention"
    assert "not today" in refused.value.message
    assert len(calls) == 3
    report = await run_flow(flow, space, RunOptions(is_again=True))
    assert (report.state, report.goes_on, len(calls)) == ("done", True, 6)


async def test_why_a_step_failed_is_kept_where_it_is_no_text_of_unicode(space):
    flow = Flow("f")

    @flow.step("a", attempts=AT_ONCE)
    def open_file(msg, cfg, snapshot):
        raise ValueError("no table: caf\udce9.csv")

    with pytest.raises(FlowError, match=r"caf\\udce9\.csv") as failed:
        await run_flow(flow, space)
    assert isinstance(failed.value.__cause__, ValueError)
    assert space.state_of("f", first_run(space, "f")) == "needs-attention"


async def test_a_new_run_leaves_the_failed_one_behind_and_keeps_the_snapshot(tmp_path):
    space = FlowSpace(state=tmp_path, clock=FakeClock())
    flow, calls = failing(3, emits=[("snapshot", {"seen": 1})])
    with pytest.raises(FlowError):
        await run_flow(flow, space)
    report = await run_flow(flow, space, RunOptions(is_anew=True))
    assert not report.goes_on
    assert calls[-1] == {"seen": 1}


FAILED = OperationError("bad release", operation="o", step="install", runs_old_code=True)


async def test_a_module_that_is_locked_is_waited_for(tmp_path):
    clock = FakeClock()
    flow, calls = Flow("f"), []

    @flow.step("a")
    async def upgrade(msg, cfg, snapshot):
        calls.append(1)
        if len(calls) == 1:
            raise LockedError("module is in use")

    await run_flow(flow, FlowSpace(state=tmp_path, clock=clock))
    assert len(calls) == 2


@pytest.mark.parametrize("error", [InputError("wrong"), PreconditionError("refused"), FAILED])
async def test_what_would_be_refused_again_is_not_tried_again(space, error):
    flow, calls = Flow("f"), []

    @flow.step("a")
    def refuse(msg, cfg, snapshot):
        calls.append(1)
        raise error

    with pytest.raises(FlowError):
        await run_flow(flow, space)
    assert len(calls) == 1


async def test_data_before_a_marker_are_neither_lost_nor_repeated_after_a_failure(tmp_path):
    space = FlowSpace(state=tmp_path, clock=FakeClock())
    flow, tried = Flow("f"), []

    @flow.step("read")
    def read(msg, cfg, snapshot, ctx):
        tried.append(1)
        for number in range(snapshot.get("next", 0), 6):
            ctx.emit("data", number)
            if number == 3 and len(tried) == 1:
                raise OSError("after 3 was emitted and before its marker")
            ctx.emit("snapshot", {"next": number + 1})

    report = await run_flow(flow, space)
    assert report.outputs == (0, 1, 2, 3, 4, 5)


@pytest.mark.proves("B24")
async def test_a_failure_while_iterating_leaves_the_old_date(space):
    flow = Flow("f")

    @flow.step("a", attempts=AT_ONCE)
    def iterate(msg, cfg, snapshot, ctx):
        ctx.emit("data", 1)
        if msg:
            raise OSError("half way")
        ctx.emit("snapshot", "2020-01-01")

    await run_flow(flow, space)
    with pytest.raises(FlowError):
        await run_flow(flow, space, RunOptions(message={"fail": True}))
    assert value_of(space, "f", "a") == "2020-01-01"


async def test_what_was_emitted_before_a_failure_is_written(space):
    flow, _ = failing(1, emits=[("snapshot", {"last": "c"})])
    declared = Flow("g")
    declared.step("a", attempts=AT_ONCE)(flow.steps[0].function)
    with pytest.raises(FlowError):
        await run_flow(declared, space)
    assert value_of(space, "g", "a") == {"last": "c"}


@pytest.mark.parametrize("value", ["x" * 6000, float("nan"), {1: 2}])
@pytest.mark.proves("A13")
async def test_a_refused_emit_leaves_the_old_snapshot(space, value):
    flow, errors = Flow("f"), []

    @flow.step("a")
    def emit(msg, cfg, snapshot, ctx):
        ctx.emit("snapshot", "old")
        try:
            ctx.emit("snapshot", value)
        except (InputError, PreconditionError) as error:
            errors.append(error.code)

    await run_flow(flow, space)
    assert errors in (["step-snapshot-too-large"], ["not-json"])
    assert value_of(space, "f", "a") == "old"


@pytest.mark.parametrize(
    "emit",
    [
        pytest.param(lambda ctx: ctx.emit("updateSnapshot", {}), id="no such kind"),
        pytest.param(lambda ctx: ctx.emit("data", 1, durable=True), id="durable data"),
        pytest.param(lambda ctx: ctx.emit("data", 1, item="#1"), id="item"),
        pytest.param(lambda ctx: ctx.update({"$set": {}}), id="operator"),
    ],
)
async def test_emits_that_mean_nothing_are_errors(space, emit):
    flow = Flow("f")

    @flow.step("a")
    def wrong(msg, cfg, snapshot, ctx):
        emit(ctx)

    with pytest.raises(FlowError, match="InputError"):
        await run_flow(flow, space)


@pytest.mark.proves("B18")
async def test_to_emit_outside_of_a_step_is_an_error_and_changes_nothing(space):
    flow, kept = Flow("f"), []

    @flow.step("a")
    def keep(msg, cfg, snapshot, ctx):
        kept.append(ctx)
        ctx.emit("snapshot", 1)

    await run_flow(flow, space)
    for act in (lambda: kept[0].emit("snapshot", 2), lambda: kept[0].update({})):
        with pytest.raises(PreconditionError) as refused:
            act()
        assert refused.value.code == "emit-outside-step"
    assert value_of(space, "f", "a") == 1


@pytest.mark.proves("A10", "B10")
async def test_a_durable_emit_is_there_when_it_returns(space):
    flow, seen = Flow("f"), []

    def stored():
        return value_of(space, "f", "plain"), value_of(space, "f", "async")

    @flow.step("plain")
    def plain(msg, cfg, snapshot, ctx):
        ctx.emit("snapshot", 1, durable=True)
        seen.append(stored())
        ctx.emit("snapshot", {"a": 1})
        ctx.update({"b": 2}, durable=True)
        seen.append(stored())
        return 1

    @flow.step("async")
    async def awaited(msg, cfg, snapshot, ctx):
        await ctx.emit("snapshot", 2, durable=True)
        seen.append(stored())
        ctx.emit("snapshot", 3, durable=True)  # dropped: no warning, and it is written

    await run_flow(flow, space)
    assert seen == [(1, None), ({"a": 1, "b": 2}, None), ({"a": 1, "b": 2}, 2)]
    assert stored() == ({"a": 1, "b": 2}, 3)


async def test_a_thread_of_an_async_step_may_emit_durably(space):
    flow, seen = Flow("f"), []

    @flow.step("a", attempts=AT_ONCE)
    async def work(msg, cfg, snapshot, ctx):
        await asyncio.to_thread(ctx.emit, "snapshot", 7, durable=True)
        seen.append(value_of(space, "f", "a"))

    await run_flow(flow, space)
    assert seen == [7]


@pytest.mark.proves("B30")
async def test_all_three_arguments_are_json_and_no_secret_is_told(space):
    flow, told, shown = Flow("f"), [], []

    @flow.step("a", cfg={"user": "me"}, secrets={"token": "TOKEN"}, attempts=AT_ONCE)
    def log(msg, cfg, snapshot, ctx):
        shown.append([json.dumps(each) for each in (msg, cfg, snapshot)])
        ctx.log("with %s and %s", cfg, cfg["token"])
        raise OSError(f"401 for {cfg['token']}")

    options = RunOptions(environment={"TOKEN": "hush-hush"})
    with pytest.raises(FlowError) as failed:
        await run_flow(flow, space, options, observer=told.append)
    assert shown == [["{}", '{"user": "me", "token": "***"}', "{}"]]
    assert "hush" not in f"{told} {failed.value} {failed.value.fields}"
    assert "401 for ***" in failed.value.message
    assert (failed.value.__cause__, failed.value.__context__) == (None, None)
    with space.open() as store:
        assert "hush" not in str(store.runs("f"))
    assert any(isinstance(each, Notice) for each in told)


async def test_a_secret_that_is_missing_is_told_before_anything_begins(space):
    flow = Flow("f")
    flow.step("a", secrets={"token": "NOT_SET"})(lambda msg, cfg, snapshot: None)
    with pytest.raises(ConfigError, match="NOT_SET"):
        await run_flow(flow, space, RunOptions(environment={}))
    assert space.is_empty


async def test_a_step_may_change_what_it_gets_and_the_next_one_does_not_see_it(space):
    flow, seen = Flow("f"), []

    @flow.step("a", cfg={"list": []})
    def change(msg, cfg, snapshot):
        seen.append(json.dumps(cfg))
        cfg["list"].append(1)

    await run_flow(flow, space)
    await run_flow(flow, space)
    assert seen == ['{"list": []}'] * 2


@pytest.mark.proves("A3", "B5")
async def test_cancelled_it_keeps_what_was_emitted_and_goes_on_later(space):
    flow, begun, calls = Flow("f"), asyncio.Event(), []

    @flow.step("a")
    async def wait(msg, cfg, snapshot, ctx):
        calls.append(snapshot)
        if len(calls) == 1:
            ctx.emit("snapshot", {"at": 7})
            begun.set()
            await asyncio.sleep(60)
        return snapshot

    task = asyncio.ensure_future(run_flow(flow, space))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert space.state_of("f", first_run(space, "f")) == "stopped"
    report = await run_flow(flow, space)
    assert (report.goes_on, report.outputs, calls) == (True, ({"at": 7},), [{}, {"at": 7}])


async def test_a_step_that_hides_its_cancellation_gets_no_further_message(space):
    flow, begun, taken = Flow("f"), asyncio.Event(), []

    @flow.step("a")
    def two(msg, cfg, snapshot, ctx):
        ctx.emit("data", 1)
        ctx.emit("data", 2)

    @flow.step("b")
    async def hide(msg, cfg, snapshot):
        taken.append(msg)
        begun.set()
        if len(taken) == 1:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    task = asyncio.ensure_future(run_flow(flow, space))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert taken == [1]
    assert (await run_flow(flow, space)).state == "done"
    assert taken == [1, 2]


def first_run(space, flow):
    with space.open() as store:
        return store.runs(flow)[0]


async def test_asked_to_stop_a_plain_step_ends_at_its_next_emit(space):
    flow, begun = Flow("f"), threading.Event()

    @flow.step("a")
    def count(msg, cfg, snapshot, ctx):
        pause = threading.Event()
        for number in range(snapshot.get("n", 0), 100_000):
            with contextlib.suppress(Exception):
                ctx.emit("snapshot", {"n": number + 1})
            begun.set()
            pause.wait(0.01)

    task = asyncio.ensure_future(run_flow(flow, space))
    await asyncio.to_thread(begun.wait)
    assert await space.stop("f", timeout_seconds=20)
    report = await task
    assert report.state == "stopped"
    assert value_of(space, "f", "a")["n"] > 0
    with space.open() as store:
        (unit,) = store.units(report.run.id, "a")
    assert (unit.state, unit.attempts) == ("pending", 0)  # to be stopped is no failure


async def test_a_flow_that_runs_is_not_run_again_nor_changed(space):
    flow, begun, go_on = Flow("f"), asyncio.Event(), asyncio.Event()

    @flow.step("a")
    async def wait(msg, cfg, snapshot):
        begun.set()
        await go_on.wait()

    task = asyncio.ensure_future(run_flow(flow, space))
    await begun.wait()
    assert space.is_running("f")
    with pytest.raises(LockedError, match="pid"):
        await run_flow(flow, space)
    for change in (
        lambda: space.reset("f", None),
        lambda: space.undo("f", None),
        lambda: space.set_snapshot("f", "a", 1),
    ):
        with pytest.raises(LockedError):
            change()
    go_on.set()
    assert (await task).state == "done"
    assert not space.is_running("f")


async def test_who_asks_whether_it_runs_turns_no_run_away(space):
    flow = counter()
    await run_flow(flow, space)
    over = threading.Event()

    def ask():
        while not over.is_set():
            space.is_running("counter")

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for _ in range(10):
            await run_flow(flow, space)
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("ending", [SystemExit(3), KeyboardInterrupt()])
async def test_a_plain_step_cannot_end_the_program(space, ending):
    flow = Flow("f")

    @flow.step("a", attempts=AT_ONCE)
    def leave(msg, cfg, snapshot):
        raise ending

    with pytest.raises(FlowError, match=type(ending).__name__):
        await run_flow(flow, space)


async def test_a_step_in_which_something_else_was_cancelled_has_failed(space):
    flow = Flow("f")

    @flow.step("a", attempts=AT_ONCE)
    async def wait_for_another(msg, cfg, snapshot):
        other = asyncio.ensure_future(asyncio.sleep(60))
        other.cancel()
        await other

    with pytest.raises(FlowError, match="CancelledError"):
        await run_flow(flow, space)
    assert space.state_of("f", first_run(space, "f")) == "needs-attention"


async def test_it_tells_of_steps(space):
    told = []
    await run_flow(counter(), space, observer=told.append)
    started, finished = (each for each in told if isinstance(each, StepStarted | StepFinished))
    assert (started.step, finished.step, finished.outcome) == ("count", "count", "done")


async def test_a_flow_without_steps_is_refused(space):
    with pytest.raises(InputError, match="no steps"):
        await run_flow(Flow("f"), space)


async def test_an_unfinished_run_keeps_its_message(tmp_path):
    space = FlowSpace(state=tmp_path, clock=FakeClock())
    flow, _ = failing(3)
    with pytest.raises(FlowError):
        await run_flow(flow, space, RunOptions(message=1))
    with pytest.raises(PreconditionError) as refused:
        await run_flow(flow, space, RunOptions(message=2, is_again=True))
    assert refused.value.code == "run-unfinished"
    assert (await run_flow(flow, space, RunOptions(message=1, is_again=True))).state == "done"


async def test_a_plain_step_that_does_not_end_is_left_behind_and_writes_nothing(space):
    flow, begun, go_on, ended = Flow("f"), threading.Event(), threading.Event(), []

    @flow.step("a")
    def hang(msg, cfg, snapshot, ctx):
        ctx.emit("snapshot", "before")
        begun.set()
        go_on.wait()
        try:
            ctx.emit("snapshot", "late")
        except BaseException as error:
            ended.append(type(error).__name__)
            raise

    options = RunOptions(stop_grace_seconds=0.05)
    task = asyncio.ensure_future(run_flow(flow, space, options))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    while not ended:  # noqa: ASYNC110  # the thread belongs to nobody
        await asyncio.sleep(0.01)
    assert ended == ["StopRequestError"]
    assert value_of(space, "f", "a") == "before"
