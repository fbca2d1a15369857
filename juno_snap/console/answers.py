"""Documents and statuses: what is answered, without a word of HTTP's own."""

from collections.abc import Iterable, Mapping
from typing import Final, final

from typing_extensions import override

from juno_snap.errors import (
    InputError,
    JunoSnapError,
    LockedError,
    NotFoundError,
)
from juno_snap.flow.model import (
    SNAPSHOT_MAX_BYTES,
    LastChange,
    RunRecord,
    SnapshotTooLargeError,
    StepSnapshot,
)
from juno_snap.flow.space import FlowFound
from juno_snap.pipeline.report import rfc3339

Document = dict[str, object]

TYPE: Final = "snapshot"
FLOW_TYPE: Final = "flow"
PATH_OF_FLOWS: Final = "/v2/flows"
BUSY: Final = "flows-file-busy"
STATUSES: Final[Mapping[str, int]] = {
    BUSY: 503,
    "step-snapshot-exists": 409,
    "step-snapshot-stale": 412,
}
"""By code, where the class does not say enough."""

CLASSES: Final[Mapping[type[JunoSnapError], int]] = {
    SnapshotTooLargeError: 413,
    NotFoundError: 404,
    LockedError: 409,
    InputError: 422,
}


@final
class RequestError(InputError):
    """A request that HTTP has a status for."""

    default_code = "bad-request"

    def __init__(self, status: int, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """None: what was sent is not sent back."""
        return {}


def status_of(error: JunoSnapError) -> int:
    """The status that tells of ``error``."""
    if error.code in STATUSES:
        return STATUSES[error.code]
    if isinstance(error, RequestError):
        return error.status
    # What is left: the file is damaged or full, or it cannot be written.
    return next((status for kind, status in CLASSES.items() if isinstance(error, kind)), 500)


def error_document(error: JunoSnapError) -> Document:
    """What went wrong, and what to do next."""
    told: Document = {
        "status": str(status_of(error)),
        "code": error.code,
        "detail": error.message,
    }
    more = {**error.fields, **({"hint": error.hint} if error.hint else {})}
    return {"errors": [{**told, "meta": more} if more else told]}


def snapshot_document(flow: str, snapshot: StepSnapshot) -> Document:
    """One step snapshot."""
    return {"data": _resource(flow, snapshot), "meta": {}}


def list_document(
    flow: str, snapshots: Iterable[StepSnapshot], meta: Document | None = None
) -> Document:
    """All step snapshots of a flow."""
    return {"data": [_resource(flow, each) for each in snapshots], "meta": meta or {}}


def flows_document(flows: Iterable[FlowFound]) -> Document:
    """All flows, and what they are doing."""
    return {"data": [_flow_resource(each) for each in flows], "meta": {}}


def path_of(flow: str, step: str) -> str:
    """Where a step snapshot is found; the names of flows and steps need no quoting."""
    return f"{PATH_OF_FLOWS}/{flow}/snapshots/{step}"


def _resource(flow: str, snapshot: StepSnapshot) -> Document:
    return {
        "type": TYPE,
        "id": snapshot.step,
        "links": {"self": path_of(flow, snapshot.step)},
        "attributes": {"snapshot": snapshot.value},
        "meta": {
            "text": snapshot.body,
            "size_bytes": snapshot.size_bytes,
            "limit_bytes": SNAPSHOT_MAX_BYTES,
            "version": snapshot.version,
            "run": snapshot.run,
            "updated_at": rfc3339(snapshot.updated_at_ns),
        },
    }


def _flow_resource(found: FlowFound) -> Document:
    return {
        "type": FLOW_TYPE,
        "id": found.record.name,
        "links": {"snapshots": f"{PATH_OF_FLOWS}/{found.record.name}/snapshots"},
        "attributes": {
            "state": found.state,
            "steps": list(found.record.steps),
            "source": found.record.source or None,
            "run": None if found.last is None else _run(found.last),
            "change": None if found.change is None else _change(found.change),
        },
    }


def _run(run: RunRecord) -> Document:
    return {
        "id": run.id,
        "began_at": rfc3339(run.began_at_ns),
        "ended_at": None if run.ended_at_ns is None else rfc3339(run.ended_at_ns),
        "error": run.error,
    }


def _change(change: LastChange) -> Document:
    return {"kind": change.kind, "steps": list(change.steps), "at": rfc3339(change.at_ns)}
