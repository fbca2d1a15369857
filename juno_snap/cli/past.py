"""Operations out of the journal, as documents and for people; no envelope of a call is shown."""

import operator
from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from juno_snap.cli.tables import facts, listing, moment
from juno_snap.cli.words import seconds
from juno_snap.pipeline.journal.records import CallRecord, OperationRecord, StepRecord
from juno_snap.pipeline.report import rfc3339
from juno_snap.units import NS_PER_MS

Document = dict[str, object]


def operation_json(record: OperationRecord, name: str | None) -> Document:
    """An entry of ``operations``; no envelope of a call is in it."""
    begun, report = record.begun, record.report or {}
    return {
        "operation": begun.id,
        "kind": begun.kind,
        "module": str(begun.module),
        "name": name,
        "network": begun.network,
        "principal": str(begun.principal),
        "host": record.host,
        "version": record.version,
        "began_at": rfc3339(begun.began_at_ns),
        "finished_at": _time(record.finished_at_ns),
        "outcome": record.outcome,
        "old_hash": _old_hash(record),
        "new_hash": _new_hash(record),
        "snapshot": snapshot_of(record),
        "safety_snapshot": report.get("safety_snapshot") or _taken(record, "safety-snapshot"),
        "steps": [_step_json(step) for step in record.steps],
    }


def _step_json(step: StepRecord) -> Document:
    return {
        "name": step.name,
        "leg": step.leg,
        "outcome": step.state,
        "began_at": rfc3339(step.began_at_ns),
        "duration_ms": _duration_ms(step.began_at_ns, step.ended_at_ns),
        "evidence": dict(step.evidence),
        "calls": [_call_json(call) for call in step.calls],
    }


def _call_json(call: CallRecord) -> Document:
    return {
        "method": call.method,
        "request_id": call.request_id.hex(),
        "expires_at": rfc3339(call.expires_at_ns),
        "state": call.state,
    }


def _old_hash(record: OperationRecord) -> object:
    said = (record.report or {}).get("old_hash")
    return said or _part(record.begun.program, "before").get("module_hash")


def _new_hash(record: OperationRecord) -> object:
    """Of the candidate, or of what was loaded, as far as it is known."""
    report, change = record.report or {}, _part(record.begun.program, "change")
    if "new_hash" in report:
        return report["new_hash"]
    return change.get("wasm_sha256")


def snapshot_of(record: OperationRecord) -> object:
    """The one that an upgrade or ``snapshot create`` took, or that was loaded."""
    loaded = _part(record.begun.program, "change").get("snapshot")
    return loaded or _taken(record, "snapshot")


def _taken(record: OperationRecord, step_name: str) -> object:
    """The last snapshot that this step took."""
    ids = (
        step.evidence.get("id")
        for step in reversed(record.steps)
        if step.name == step_name and step.state == "done"
    )
    return next(ids, None)


def _part(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = document.get(name)
    return part if isinstance(part, dict) else {}


def _time(at_ns: int | None) -> str | None:
    return None if at_ns is None else rfc3339(at_ns)


def _duration_ms(began_at_ns: int, ended_at_ns: int | None) -> int | None:
    return None if ended_at_ns is None else max(0, ended_at_ns - began_at_ns) // NS_PER_MS


def operation_table(record: OperationRecord, name: str | None) -> RenderableType:
    """All of an operation, for people."""
    begun = record.begun
    rows: list[tuple[str, object]] = [
        ("operation", begun.id),
        ("kind", begun.kind),
        ("module", f"{name} ({begun.module})" if name else begun.module),
        ("network", begun.network),
        ("who", begun.principal),
        ("where", f"{record.host}, process {record.pid}, juno-snap {record.version}"),
        ("began", moment(begun.began_at_ns)),
        ("duration", shown_duration(begun.began_at_ns, record.finished_at_ns)),
        ("outcome", record.outcome or "unfinished: juno-snap resume brings it to its end"),
        ("old hash", _old_hash(record)),
        ("new hash", _new_hash(record)),
        ("snapshot", snapshot_of(record)),
    ]
    steps = listing(
        ["STEP", "LEG", "OUTCOME", "DURATION", "EVIDENCE", "CALLS"],
        [
            (
                step.name,
                step.leg,
                step.state,
                shown_duration(step.began_at_ns, step.ended_at_ns),
                _shown_evidence(step.evidence),
                ", ".join(f"{call.method} {call.state}" for call in step.calls) or None,
            )
            for step in sorted(record.steps, key=operator.attrgetter("number"))
        ],
    )
    return Group(facts(rows), Text(""), steps, Text(""))


def _shown_evidence(evidence: Mapping[str, object]) -> str | None:
    """What there is to show; what is not so is left out."""
    said = {key: value for key, value in evidence.items() if value not in (None, False, [], "")}
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in said.items()) or None


def shown_duration(began_at_ns: int, ended_at_ns: int | None) -> str | None:
    """A duration for people; none while it goes on."""
    duration_ms = _duration_ms(began_at_ns, ended_at_ns)
    return None if duration_ms is None else seconds(duration_ms)
