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
from juno_snap.flow.model import SnapshotTooLargeError, StepSnapshot

Document = dict[str, object]

TYPE: Final = "snapshot"
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


def list_document(flow: str, snapshots: Iterable[StepSnapshot]) -> Document:
    """All step snapshots of a flow."""
    return {"data": [_resource(flow, each) for each in snapshots], "meta": {}}


def path_of(flow: str, step: str) -> str:
    """Where a step snapshot is found; the names of flows and steps need no quoting."""
    return f"/v2/flows/{flow}/snapshots/{step}"


def _resource(flow: str, snapshot: StepSnapshot) -> Document:
    return {
        "type": TYPE,
        "id": snapshot.step,
        "links": {"self": path_of(flow, snapshot.step)},
        "attributes": {"snapshot": snapshot.value},
    }
