"""Which snapshot a person means. Pure."""

from collections.abc import Sequence
from typing import Final

from juno_snap.errors import InputError, NotFoundError
from juno_snap.ids import PRINCIPAL_MAX_BYTES, SNAPSHOT_ID_MIN_BYTES, Principal
from juno_snap.management.types import Snapshot
from juno_snap.pipeline.notes import Notes, could_be_label, holder_of, is_spare, note_of

LIST_HINT: Final = "list the ids with: juno-snap snapshot list"
NO_STATE_TO_RETURN_TO: Final = frozenset({"safety", "rehearsal", "upload"})
"""Purposes of snapshots that ``latest`` never means; ``upload``: half of it may be missing."""


def oldest_first(snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """The snapshots in the order in which they were taken; the network promises none."""
    return sorted(snapshots, key=lambda snapshot: (snapshot.taken_at_ns, snapshot.id))


def oldest_spare(snapshots: Sequence[Snapshot], notes: Notes) -> Snapshot | None:
    """The one that ``oldest`` means where it is to go.

    Never a protected or safety snapshot, or an unfinished operation's: those go by name only.
    """
    for snapshot in oldest_first(snapshots):
        if is_spare(note_of(notes, snapshot.id)):
            return snapshot
    return None


def resolve_snapshot(
    text: str, snapshots: Sequence[Snapshot], *, notes: Notes, module: Principal
) -> Snapshot:
    """The snapshot that ``text`` names.

    ``latest``, ``oldest``, a label, an id or a unique beginning of one. ``latest`` is the newest
    that is a state to return to: never scrap, safety, rehearsal or half-uploaded ones. ``oldest``
    is the oldest of all; what is to go is chosen by ``oldest_spare``.

    Raises:
        InputError: It can be neither a label nor an id, or is the beginning of more than one id.
        NotFoundError: No such snapshot, or the id is another module's.
    """
    there = oldest_first(snapshots)
    wanted = text.strip().lower()
    if wanted == "latest":
        return _latest(there, notes, module)
    if wanted == "oldest" and there:
        return there[0]
    if wanted == "oldest":
        raise _none_there(module)
    labelled = holder_of(wanted, [snapshot.id for snapshot in there], notes)
    for snapshot in there:
        if snapshot.id == labelled:
            return snapshot
    return _by_id(text, there, module)


def _latest(there: Sequence[Snapshot], notes: Notes, module: Principal) -> Snapshot:
    for snapshot in reversed(there):
        note = note_of(notes, snapshot.id)
        if not note.is_scrap and note.purpose not in NO_STATE_TO_RETURN_TO:
            return snapshot
    if not there:
        raise _none_there(module)
    raise NotFoundError(
        f"module {module} has no snapshot that 'latest' could mean: what is there was saved before "
        "going back, or taken by runs that did not end well",
        code="snapshot-not-found",
        hint="name one by its id: juno-snap snapshot list shows them",
    )


def _by_id(text: str, there: Sequence[Snapshot], module: Principal) -> Snapshot:
    wanted = text.strip().lower().removeprefix("0x")
    if not wanted or not set(wanted) <= set("0123456789abcdef"):
        why = (
            f"{text!r} names no snapshot: it is no label of this module, and neither latest, "
            "oldest nor hexadecimal"
        )
        if could_be_label(text):
            raise NotFoundError(why, code="snapshot-not-found", hint=LIST_HINT)
        raise InputError(why, value=text, code="invalid-snapshot-id", hint=LIST_HINT)
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


def _none_there(module: Principal) -> NotFoundError:
    return NotFoundError(f"module {module} has no snapshot", code="snapshot-not-found")


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
