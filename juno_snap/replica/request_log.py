"""The request log: one JSON line per request, written when its answer is.

Tests and people count calls and rounds in it.

Keys: ``at_ns``, ``kind`` (call, query, read_state, subnet_read_state, status, other), ``version``
of the endpoint, ``status`` (HTTP), ``outcome``, ``request_bytes``, ``response_bytes``,
``duration_ms``; where they apply ``canister``, ``effective_canister``, ``method``, ``sender``,
``request_id`` (hex), ``round`` (of a call: the round that executes it), ``paths``.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TextIO, TypeAlias, final

from juno_snap.errors import PreconditionError
from juno_snap.ids import PRINCIPAL_MAX_BYTES, Principal
from juno_snap.units import NS_PER_MS
from juno_snap.wire.envelope import CallContent, Content, ReadStateContent

RequestKind: TypeAlias = Literal[
    "call", "query", "read_state", "subnet_read_state", "status", "other"
]

PATHS_SHOWN: Final = 20
"""A request may name a thousand paths; the log shows the first."""

PRINCIPAL_PARENTS: Final = {"canister", "subnet", "canister_ranges", "node"}
"""Labels below which a label is a principal."""


@final
@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """What is known of one request; filled in on its way."""

    kind: RequestKind
    at_ns: int
    version: int | None = None
    status: int = 0
    outcome: str = ""
    request_bytes: int = 0
    response_bytes: int = 0
    duration_ns: int = 0
    round_number: int | None = None
    content: Content | None = None
    """Who asks what of whom, once it is decoded."""
    target: Principal | None = None
    """The canister or subnet in the address."""

    def line(self) -> str:
        """The record as JSON, without the end of the line."""
        return json.dumps(
            {
                "at_ns": self.at_ns,
                "kind": self.kind,
                "version": self.version,
                **self._details(),
                "round": self.round_number,
                "status": self.status,
                "outcome": self.outcome,
                "request_bytes": self.request_bytes,
                "response_bytes": self.response_bytes,
                "duration_ms": round(self.duration_ns / NS_PER_MS, 3),
            }
        )

    def _details(self) -> dict[str, object]:
        """Spelled out only where there is a log to write: principals as text are not cheap."""
        content = self.content
        if content is None:
            return {}
        details: dict[str, object] = {
            "sender": str(content.sender),
            "effective_canister": str(self.target),
        }
        if isinstance(content, ReadStateContent):
            paths = [path_text(path) for path in content.paths[:PATHS_SHOWN]]
            return details | {"paths": paths}
        details |= {"canister": str(content.canister_id), "method": content.method_name}
        if isinstance(content, CallContent):
            details["request_id"] = content.request_id().hex()
        return details


@final
class RequestLog:
    """Appends to a file; without one it does nothing."""

    def __init__(self, path: Path | None) -> None:
        """Open ``path``, making it if need be.

        Raises:
            PreconditionError: It cannot be written.
        """
        self._file: TextIO | None = None
        if path is None:
            return
        try:
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise PreconditionError(
                f"cannot write the request log {path}: {error.strerror}",
                code="request-log",
                hint="choose another file with --request-log",
            ) from error

    def write(self, record: RequestRecord) -> None:
        """Append a line; it is with the operating system on return."""
        if self._file is not None:
            self._file.write(record.line() + "\n")

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def path_text(path: Iterable[bytes]) -> str:
    """A path of the state tree for people: principals and ids spelled as usual."""
    shown: list[str] = []
    for label in path:
        shown.append(_label_text(label, parent=shown[-1] if shown else ""))
    return "/".join(shown)


def _label_text(label: bytes, *, parent: str) -> str:
    if parent in PRINCIPAL_PARENTS and len(label) <= PRINCIPAL_MAX_BYTES:
        return str(Principal(label))
    try:
        text = label.decode("ascii")
    except UnicodeDecodeError:
        return label.hex()
    return text if text.isprintable() else label.hex()
