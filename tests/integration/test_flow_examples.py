"""The use cases of step snapshots, each as a component would be written."""

import json
import sys

import pytest

from juno_snap import Attempts, Flow, run_flow
from juno_snap.errors import FlowError
from juno_snap.flow.load import load_flow
from juno_snap.flow.space import FlowSpace
from tests.architecture.imports import ROOT
from tests.integration.cli_world import ask, run_child
from tests.integration.flow_world import source_server

pytestmark = pytest.mark.anyio

EXAMPLES = ROOT / "config" / "flows"
FIRST_DATE = "2017-01-01T00:00:00.000Z"
OBJECTS = [(f"o{number}", f"2020-01-{31 - number:02}T00:00:00.000Z") for number in range(10)]
"""The newest comes first."""


@pytest.fixture
def source():
    with source_server() as made:
        made.add(*OBJECTS)
        yield made


@pytest.fixture
def changed_objects():
    load_flow(str(EXAMPLES / "changed_objects.toml"))
    return sys.modules["juno_snap_flow_changed_objects"]


def marker(tmp_path, flow, step="query"):
    with FlowSpace(state=tmp_path).open() as store:
        found = store.snapshot(flow, step)
    return found and found.value


def ids(report):
    return [each["id"] for each in report.outputs]


@pytest.mark.proves("B31", "B32", "B34", "B30")
async def test_the_iteration_counter_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path))
    words = ("flow", "run", f"{EXAMPLES / 'iteration.py'}:flow", "--json")
    ran = [run_child(*words) for _ in range(2)]
    assert [each.document["run"]["outputs"] for each in ran] == [
        [{"iteration": number}] for number in (1, 2)
    ]
    assert "Iteration: 1" in ran[1].err


@pytest.mark.parametrize("component", ["whole", "by_page"])
@pytest.mark.proves("A15", "B14", "B19", "B20", "B21", "A8", "B8")
async def test_querying_by_timestamp_has_no_gap_and_no_repeat(
    tmp_path, source, changed_objects, component
):
    flow = changed_objects.declare("sync", getattr(changed_objects, component), source.url)
    first = await run_flow(flow, state=tmp_path)
    assert source.asked[0] == (FIRST_DATE, 1)
    assert [page for _, page in source.asked] == [1, 2, 3]
    assert ids(first) == [name for name, _ in OBJECTS]
    latest = max(at for _, at in OBJECTS)
    assert latest in json.dumps(marker(tmp_path, "sync"))
    again = await run_flow(flow, state=tmp_path)
    assert (ids(again), source.asked[-1]) == ([], (latest, 1))
    source.add(("new", "2020-02-01T00:00:00.000Z"))
    assert ids(await run_flow(flow, state=tmp_path)) == ["new"]


@pytest.mark.proves("B22", "B27")
async def test_an_object_stamped_between_query_and_marker_is_found_by_the_next_run(
    tmp_path, source, changed_objects
):
    def late(since, page, answer=source.answer):
        found = answer(since, page)
        if len(source.asked) == 1:  # written while the run is on its way, and before its end
            source.add(("late", "2020-01-31T12:00:00.000Z"))
        return found

    source.answer = late
    flow = changed_objects.declare("sync", changed_objects.whole, source.url)
    source.objects = source.objects[:3]
    assert "late" not in ids(await run_flow(flow, state=tmp_path))
    assert ids(await run_flow(flow, state=tmp_path)) == ["late"]


@pytest.mark.parametrize("strange", [{}, "", 7, None, ["2020"]])
@pytest.mark.proves("B26", "B19")
async def test_a_marker_that_is_no_date_is_warned_of_and_the_first_date_is_taken(
    tmp_path, source, changed_objects, strange
):
    flow = changed_objects.declare("sync", changed_objects.whole, source.url)
    await run_flow(flow, state=tmp_path)
    FlowSpace(state=tmp_path).set_snapshot("sync", "query", strange)
    told = []
    report = await run_flow(flow, state=tmp_path, on_event=told.append)
    assert source.asked[-3] == (FIRST_DATE, 1)
    assert len(report.outputs) == len(OBJECTS)
    assert "expected a string" in str(told)


@pytest.mark.proves("B24", "B20", "A9", "B9")
async def test_a_failure_in_a_page_goes_on_with_that_page(tmp_path, source, changed_objects):
    flow = Flow("sync")
    once = Attempts(most=1)
    flow.step("query", cfg={"source": source.url}, attempts=once)(changed_objects.by_page)
    source.breaks_at = 2
    with pytest.raises(FlowError, match="500"):
        await run_flow(flow, state=tmp_path)
    assert marker(tmp_path, "sync")["page"] == 2
    source.breaks_at = None
    asked_before = len(source.asked)
    report = await run_flow(flow, state=tmp_path, again=True)
    assert [page for _, page in source.asked[asked_before:]] == [2, 3]
    assert ids(report) == [name for name, _ in OBJECTS]


@pytest.mark.proves("A16", "B15")
async def test_ids_that_were_read_are_not_read_again(tmp_path):
    read, there = [], ["a", "b"]
    flow = Flow("by-id")

    @flow.step("read")
    def read_new(msg, cfg, snapshot, ctx):
        known = snapshot.get("read", [])
        for each in there:
            if each not in known:
                read.append(each)
                known.append(each)
                ctx.emit("snapshot", {"read": known})
                ctx.emit("data", each)

    await run_flow(flow, state=tmp_path)
    there += ["c", "d"]
    await run_flow(flow, state=tmp_path)
    await run_flow(flow, state=tmp_path)
    assert read == ["a", "b", "c", "d"]


@pytest.mark.proves("A17", "B16")
async def test_iterations_are_correlated_by_their_session(tmp_path):
    flow, seen = Flow("sessions"), []

    @flow.step("iterate")
    async def iterate(msg, cfg, snapshot, ctx):
        session = snapshot.get("session") or f"session of {msg}"
        seen.append((session, snapshot.get("iteration")))
        await ctx.update({"session": session, "iteration": snapshot.get("iteration", 0) + 1})

    for number in range(3):
        await run_flow(flow, state=tmp_path, message=number)
    assert seen == [("session of 0", None), ("session of 0", 1), ("session of 0", 2)]


@pytest.mark.proves("B1")
async def test_the_declaration_in_toml_runs(tmp_path, source, monkeypatch):
    monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path / "state"))
    text = (EXAMPLES / "changed_objects.toml").read_text(encoding="utf-8")
    file = tmp_path / "changed_objects.toml"
    file.write_text(text.replace("http://127.0.0.1:8080/objects", source.url), encoding="utf-8")
    code = (EXAMPLES / "changed_objects.py").read_text(encoding="utf-8")
    (tmp_path / "changed_objects.py").write_text(code, encoding="utf-8")
    ran = run_child("flow", "run", file, "--json")
    assert len(ran.document["run"]["outputs"]) == len(OBJECTS), ran.err
    stored = ask("flow", "snapshot", "get", "changed-objects", "query")
    assert stored["snapshot"]["latest"] == max(at for _, at in OBJECTS)
