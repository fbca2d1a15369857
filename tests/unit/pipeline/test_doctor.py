"""What a doctor makes of facts, by tables."""

import dataclasses

import pytest

from juno_snap.errors import PreconditionError
from juno_snap.juno.roles import JunoModule
from juno_snap.management.types import Snapshot
from juno_snap.pipeline.doctor import (
    Line,
    Open,
    busy_with,
    days_until_frozen,
    fine,
    judge_chunks,
    judge_clock,
    judge_code,
    judge_delegations,
    judge_disk,
    judge_freezing,
    judge_operations,
    judge_snapshots,
    judge_status,
    problem,
    unknown,
    warning,
)
from juno_snap.pipeline.journal.records import NewOperation, OperationRecord
from juno_snap.units import GIB, MIB, NS_PER_SECOND
from tests.unit.pipeline.values import (
    CALLER,
    MODULE,
    OLD_HASH,
    OTHER_MODULE,
    note,
    notes,
    scrap_note,
    snapshot_id,
    status,
    upgrade_note,
)

NOW_NS = 1_800_000_000 * NS_PER_SECOND
DAY_NS = 24 * 3600 * NS_PER_SECOND
IDLE = 100_000_000
"""Cycles that the module of ``status`` burns in a day; its freezing threshold is 30 days."""


LARGE = dataclasses.replace(status().memory_metrics, stable_memory_bytes=3 * GIB)


def snapshots(*ages_days: float) -> list[Snapshot]:
    return [
        Snapshot(
            id=snapshot_id(number), taken_at_ns=NOW_NS - int(days * DAY_NS), total_size_bytes=MIB
        )
        for number, days in enumerate(ages_days)
    ]


def juno(role, evidence="juno:package") -> JunoModule:
    return JunoModule(role=role, version="0.1.0", evidence=evidence)


def operation(*, module=MODULE, is_alive=False) -> Open:
    begun = NewOperation(
        id="20261121-073722-123456",
        kind="upgrade",
        network="http://h",
        root_key=b"key",
        module=module,
        principal=CALLER,
        began_at_ns=NOW_NS,
        digest=b"",
        program={},
    )
    record = OperationRecord(begun=begun, host="here", pid=7, version="0.1.0")
    return Open(record=record, is_alive=is_alive)


def told(lines) -> list[tuple[str, str]]:
    return [(line.level, line.text) for line in lines]


@pytest.mark.parametrize(
    ("line", "ok", "code"),
    [
        (fine("x", "text"), True, None),
        (warning("x", "text", "cure"), False, None),
        (problem("x", PreconditionError("text", code="why", hint="cure")), False, "why"),
        (unknown("x", "text"), None, None),
    ],
)
def test_a_line_as_a_document(line: Line, ok, code):
    document = line.to_json()
    assert (document["ok"], document["code"]) == (ok, code)
    assert set(document) == {"name", "level", "ok", "text", "cure", "code"}


@pytest.mark.parametrize(
    ("ahead_seconds", "level"),
    [
        (0, "ok"), (10, "ok"), (-10, "ok"), (11, "warning"), (-30, "warning"), (31, "problem"),
        (-31, "problem"), (86_400, "problem"),
    ],
)  # fmt: skip
def test_a_clock_is_judged_in_both_directions(ahead_seconds, level):
    line = judge_clock(NOW_NS + ahead_seconds * NS_PER_SECOND, NOW_NS)
    assert line.level == level
    if level != "ok":
        assert (
            f"{abs(ahead_seconds)} s {'ahead of' if ahead_seconds > 0 else 'behind'}" in line.text
        )


@pytest.mark.parametrize(
    ("hours", "count"), [((), 0), ((48,), 0), ((48, 5), 1), ((23.9,), 1), ((24,), 0)]
)
def test_a_delegation_that_soon_ends_gets_a_word(hours, count):
    ends = [NOW_NS + int(each * 3600 * NS_PER_SECOND) for each in hours]
    assert len(list(judge_delegations(ends, NOW_NS))) == count


@pytest.mark.parametrize(
    ("free_bytes", "seen", "level"),
    [
        (10 * GIB, None, "ok"),
        (GIB - 1, None, "warning"),
        (100 * MIB - 1, None, "problem"),
        (2 * GIB, status(), "ok"),
        (2 * GIB, status(memory_metrics=LARGE), "warning"),
    ],
)
def test_room_on_the_disk(free_bytes, seen, level):
    assert judge_disk("/x", free_bytes, seen).level == level


@pytest.mark.parametrize(
    ("module_hash", "juno", "wanted", "level", "said"),
    [
        (None, JunoModule(), "satellite", "warning", "empty"),
        (OLD_HASH, juno("satellite"), "satellite", "ok", "satellite 0.1.0, hash 0a0a"),
        (OLD_HASH, JunoModule(), "satellite", "ok", "of no known role"),
        (OLD_HASH, juno("orbiter"), None, "ok", "orbiter 0.1.0"),
        (OLD_HASH, juno("satellite", evidence="version"), None, "ok", "(not certified)"),
        (OLD_HASH, juno("orbiter"), "satellite", "problem", "configured as satellite"),
        (OLD_HASH, JunoModule(problem="name: missing"), "satellite", "warning", "name: missing"),
    ],
)
def test_the_code_is_of_the_role_that_is_meant(module_hash, juno, wanted, level, said):
    line = judge_code(module_hash, juno, wanted)
    assert line.level == level
    assert said in line.text


@pytest.mark.parametrize(
    ("run_status", "busy", "level", "cure"),
    [
        ("running", None, "ok", ""),
        ("running", "unfinished", "ok", ""),
        ("stopped", None, "problem", f"juno-snap module start --module {MODULE}"),
        ("stopping", None, "problem", f"juno-snap module start --module {MODULE}"),
        ("stopped", "unfinished", "problem", "juno-snap resume"),
        ("stopped", "running", "warning", "wait"),
    ],
)
def test_a_module_that_does_not_run_needs_what_fits_its_past(run_status, busy, level, cure):
    line = judge_status(status(status=run_status), MODULE, busy)
    assert line.level == level
    assert cure in line.cure


@pytest.mark.parametrize(
    ("cycles_days", "level", "days"),
    [
        (30 + 2000, "ok", 2000), (30 + 30, "ok", 30), (30 + 29, "warning", 29),
        (30 + 3, "warning", 3), (30 + 2, "problem", 2), (30, "problem", 0), (5, "problem", 0),
    ],
)  # fmt: skip
def test_the_distance_to_freezing(cycles_days, level, days):
    seen = status(cycles=cycles_days * IDLE, idle_cycles_burned_per_day=IDLE)
    assert days_until_frozen(seen) == days
    assert judge_freezing(seen, MODULE).level == level
    assert judge_freezing(status(idle_cycles_burned_per_day=0), MODULE).level == "ok"


@pytest.mark.parametrize(
    ("ages", "known", "expected"),
    [
        ((), (), [("warning", "0 of 10 slots used, and none to go back to")]),
        ((40, 2), (), [("ok", "2 of 10 slots used, the newest 2.0 days old")]),
        ((40, 31), (), [("warning", "2 of 10 slots used, the newest 31.0 days old")]),
        (
            (40, 1),
            (note(1, "upload"),),
            [
                ("warning", "2 of 10 slots used, the newest 40.0 days old"),
                ("warning", f"{snapshot_id(1)} is uploaded in part only"),
            ],
        ),
        (
            (1, 1),
            (scrap_note(0), upgrade_note(1)),
            [
                ("ok", "2 of 10 slots used, the newest 1.0 days old"),
                ("warning", f"{snapshot_id(0)} was taken for an upgrade that ended badly"),
            ],
        ),
        (
            (1,),
            (note(0, "rehearsal", "op", "done"),),
            [
                ("warning", "1 of 10 slots used, and none to go back to"),
                ("warning", f"{snapshot_id(0)} was left by a rehearsal"),
            ],
        ),
    ],
)
def test_snapshots_by_age_and_purpose(ages, known, expected):
    lines = judge_snapshots(snapshots(*ages), notes(*known), module=MODULE, now_ns=NOW_NS)
    assert told(lines) == expected


def test_a_full_row_of_snapshots_is_a_warning():
    lines = list(judge_snapshots(snapshots(*[1] * 10), {}, module=MODULE, now_ns=NOW_NS))
    assert told(lines)[1:] == [("warning", "no slot is free")]
    assert "snapshot delete oldest" in lines[1].cure


def test_a_rehearsal_that_still_runs_leaves_nothing():
    known = notes(note(1, "rehearsal", "op"))
    lines = judge_snapshots(snapshots(1, 0), known, module=MODULE, now_ns=NOW_NS)
    assert [line.level for line in lines] == ["ok"]


def test_staged_chunks_belong_to_an_operation_or_to_nobody():
    assert judge_chunks(0, None).level == "ok"
    assert judge_chunks(3, None).level == "warning"
    assert judge_chunks(3, "unfinished").level == "ok"


@pytest.mark.parametrize(
    ("operations", "module", "busy", "expected"),
    [
        ([], MODULE, None, ["ok"]),
        ([operation()], MODULE, "unfinished", ["problem"]),
        ([operation()], None, "unfinished", ["problem"]),
        ([operation(is_alive=True)], MODULE, "running", ["warning"]),
        ([operation(is_alive=True), operation()], MODULE, "unfinished", ["warning", "problem"]),
        ([operation(module=OTHER_MODULE)], MODULE, None, ["warning"]),
    ],
)
def test_operations_that_have_not_ended(operations, module, busy, expected):
    assert [line.level for line in judge_operations(operations, module)] == expected
    assert busy_with(operations, MODULE) == busy
