"""Which snapshot a person means. Pure."""

from collections.abc import Sequence
from typing import Final

from juno_snap.errors import InputError, NotFoundError
from juno_snap.ids import PRINCIPAL_MAX_BYTES, SNAPSHOT_ID_MIN_BYTES, Principal
from juno_snap.management.types import Snapshot

LIST_HINT: Final = "list the ids with: juno-snap snapshot list"


def oldest_first(snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """The snapshots in the order in which they were taken; the network promises none."""
    return sorted(snapshots, key=lambda snapshot: (snapshot.taken_at_ns, snapshot.id))


def resolve_snapshot(text: str, snapshots: Sequence[Snapshot], *, module: Principal) -> Snapshot:
    """The snapshot that ``text`` names: ``latest``, ``oldest``, an id or a unique beginning of it.

    Raises:
        InputError: Not hexadecimal, or the beginning of more than one id.
        NotFoundError: No such snapshot, or the id is another module's.
    """
    there = oldest_first(snapshots)
    wanted = text.strip().lower()
    if wanted in {"latest", "oldest"}:
        if not there:
            raise NotFoundError(f"module {module} has no snapshot", code="snapshot-not-found")
        return there[-1 if wanted == "latest" else 0]
    wanted = wanted.removeprefix("0x")
    if not wanted or not set(wanted) <= set("0123456789abcdef"):
        raise InputError(
            f"{text!r} names no snapshot: it is neither latest, oldest nor hexadecimal",
            value=text,
            code="invalid-snapshot-id",
            hint=LIST_HINT,
        )
    found = [snapshot for snapshot in there if str(snapshot.id).startswith(wanted)]
    match found:
        case [only]:
            return only
        case []:
            raise _not_found(text, wanted, module)
        case _:
            exact = [snapshot for snapshot in found if str(snapshot.id) == wanted]
            if exact:
                return exact[0]
            raise InputError(
                f"{text!r} is the beginning of {len(found)} snapshot ids",
                value=text,
                code="ambiguous-snapshot-id",
                hint=f"give more of it: {', '.join(str(snapshot.id) for snapshot in found)}",
            )


def _not_found(text: str, wanted: str, module: Principal) -> NotFoundError:
    # An id is a counter, then the module it belongs to (see SNAPSHOT_ID_MAX_BYTES).
    owner = bytes.fromhex(wanted[2 * SNAPSHOT_ID_MIN_BYTES :]) if len(wanted) % 2 == 0 else b""
    if len(module.raw) <= len(owner) <= PRINCIPAL_MAX_BYTES and owner != module.raw:
        return NotFoundError(
            f"snapshot {text} belongs to module {Principal(owner)}, not to {module}",
            code="snapshot-of-another-module",
            hint=LIST_HINT,
        )
    return NotFoundError(
        f"module {module} has no snapshot {text}", code="snapshot-not-found", hint=LIST_HINT
    )
