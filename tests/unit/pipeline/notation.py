"""Records and actions in short, so that a table of them can be read.

A record is a word: ``stop``, ``<load`` (on the way back), ``wait:5`` (seconds),
``hook:after-stop``, ``resume:900`` (so many seconds later). What follows says how it ended;
nothing: it was done.

==========  =====================================================================================
``!``       the network's certified answer was no
``~``       it was no, for the moment
``-``       the call never arrived
``?``       nobody knows what became of the call
``.``       begun, and there the process died
``^``       a stop that takes too long, not answered yet
``^!``      the same, called off at last
``^+5``     the same, carried out at last, when five steps had been begun
``+5``      done, but known only when five steps had been begun
``=word``   failed, with that code
``@20``     done, at that version of the module
==========  =====================================================================================
"""

import re
from dataclasses import replace

from juno_snap.pipeline.actions import ChainView, Do, Finish, Settle, Wait
from juno_snap.pipeline.journal.records import StepRecord
from juno_snap.pipeline.next_action import VETOED
from juno_snap.pipeline.progress import BAD, ENDED_AFTER, NOT_EVALUATED, SAVES, SENT_ONCE
from juno_snap.units import NS_PER_SECOND
from tests.unit.pipeline.programs import BEGIN_NS, call_record
from tests.unit.pipeline.values import OLD_HASH, snapshot_id

NAME = r"[a-z]+(?:-[a-z]+)*"
WORD = re.compile(
    rf"(?P<back><?)(?P<name>{NAME})(:(?P<more>\d+|{NAME}))?"
    r"(?P<end>\^!|\^\+\d+|\+\d+|[!~?.^-]|=[A-Za-z0-9-]+|@\d+)?$"
)
CODES = {"bad": BAD, "open": NOT_EVALUATED, "vetoed": VETOED, "hook": "hook-failed"}
VERSION = 20
QUARTER_NS = NS_PER_SECOND // 4


def records_of(text):
    """The records that ``text`` stands for, a second each."""
    records, now_ns = [], BEGIN_NS
    for word in text.split():
        parts = WORD.match(word)
        assert parts, word
        if parts["name"] in {"resume", "wait"} and parts["more"]:
            now_ns += int(parts["more"]) * NS_PER_SECOND
        records.append(_record(len(records) + 1, parts, now_ns))
        now_ns += NS_PER_SECOND
    return records


def _record(number, parts, began_ns):
    name, leg = parts["name"], "back" if parts["back"] else "forward"
    evidence = {}
    if name == "wait":
        evidence = {"seconds": int(parts["more"]), "reason": "r"}
    if name == "hook":
        evidence = {"point": parts["more"], "name": "h"}
    if name in SAVES:
        evidence = {"id": str(snapshot_id(100 + number)), "replaced": None}
    seen = {"version": VERSION} if name in {*SAVES, "install", "load"} else {}
    record = StepRecord(
        number=number,
        name=name,
        leg=leg,
        state="done",
        began_at_ns=began_ns,
        ended_at_ns=began_ns + QUARTER_NS,
        seen=seen,
        evidence=evidence,
        calls=(call_record(number, "replied", began_ns + QUARTER_NS),) if name in SENT_ONCE else (),
    )
    return _ended(record, parts["end"] or "")


ENDS = {
    ".": ("begun", {}, "open"),
    "?": ("unknown", {"error": "outcome-unknown", "message": "?"}, "open"),
    "-": ("failed", {"error": "no-route", "message": "no"}, "not-executed"),
    "!": ("failed", {"error": "IC0503", "message": "no"}, "rejected"),
    "~": ("failed", {"error": "IC0210", "message": "later", "is_temporary": True}, "rejected"),
}


def _ended(record, end):
    match end[:1]:
        case "":
            return record
        case "@":
            return replace(record, seen={"version": int(end[1:])})
        case "+":
            return replace(record, evidence={**record.evidence, ENDED_AFTER: int(end[1:])})
        case "=":
            evidence = {"error": CODES.get(end[1:], end[1:]), "message": "!"}
            return replace(_with(record, "failed", evidence, "rejected"), calls=())
        case "^":
            return _slow_stop(record, end)
        case _:
            return _with(record, *ENDS[end])


def _slow_stop(record, end):
    evidence = {"error": "stop-timeout", "message": "too long"}
    if end.startswith("^+"):
        return _with(record, "failed", {**evidence, ENDED_AFTER: int(end[2:])}, "replied")
    return _with(record, "failed", evidence, "rejected" if end == "^!" else "open")


def _with(record, state, evidence, call_state):
    at_ns = record.ended_at_ns if call_state in {"replied", "rejected"} else None
    return replace(
        record,
        state=state,
        evidence={
            **{k: v for k, v in record.evidence.items() if k in {"point", "name"}},
            **evidence,
        },
        calls=tuple(replace(c, state=call_state, certified_at_ns=at_ns) for c in record.calls),
    )


def chain(status, version=VERSION, code=OLD_HASH):
    """The module as it was found when the operation was taken up again."""
    return ChainView(status=status, module_hash=code, version=version)


def told(action):
    """An action in words."""
    match action:
        case Do(step=step, leg=leg):
            return f"do {_named(step, leg)}"
        case Settle(record=record):
            return f"settle {_named(record.name, record.leg)} {record.number}"
        case Wait(seconds=seconds, leg=leg):
            return f"wait {'<' if leg == 'back' else ''}{seconds:g}"
        case Finish(outcome=outcome, failed=failed, closes=closes):
            because = "" if failed is None else f", {_named(failed.name, failed.leg)}"
            return f"{outcome}{because}{'' if closes else ', go on'}"


def _named(step, leg):
    return f"<{step}" if leg == "back" else step
