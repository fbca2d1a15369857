"""What this tool knows of module snapshots beyond what the network tells. Pure.

Who may give a snapshot up is decided by what is known of it:

* one that is *protected*, or that an unfinished operation took: nobody, unless told otherwise;
* a *safety* snapshot: a person who names it;
* one that a person took, or whose maker is not known: a person who names it, or says ``--any``;
* one that an upgrade took: the next upgrade, unless a person has labelled it. A label is a sign
  that somebody cares, so it makes an upgrade's snapshot a person's;
* *scrap*, which an upgrade took that did not end well: the next upgrade, before all others.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from juno_snap.errors import InputError
from juno_snap.ids import SnapshotId
from juno_snap.pipeline.journal.records import SnapshotNote

Notes: TypeAlias = Mapping[SnapshotId, SnapshotNote]
"""By snapshot; one that is missing is known to the network alone."""

RESERVED_WORDS: Final = frozenset({"latest", "oldest", "all"})
LABEL_MAX_CHARACTERS: Final = 64
_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:/@-]*")
_HEX: Final = re.compile(r"[0-9a-f]+|0x[0-9a-f]*")


def note_of(notes: Notes, snapshot: SnapshotId) -> SnapshotNote:
    """What is known of ``snapshot``; nothing where it has no note."""
    return notes.get(snapshot) or SnapshotNote(id=snapshot)


def made_by(note: SnapshotNote) -> str:
    """Who took it, as scripts read it.

    ``user``, ``unknown``, or the purpose and the operation: ``upgrade 20261121-073722-123456``,
    ``safety 20261121-073722-123456``.
    """
    match note.purpose:
        case None:
            return "unknown"
        case "user":
            return "user"
        case purpose:
            return f"{purpose} {note.operation}" if note.operation else purpose


def is_unfinished(note: SnapshotNote) -> bool:
    """Whether the operation that took it may still need it."""
    return note.operation is not None and note.operation_outcome is None


def is_spare(note: SnapshotNote) -> bool:
    """Whether ``oldest`` and ``--any`` may mean it: nobody has said that it must stay."""
    return not note.is_protected and not is_unfinished(note) and note.purpose != "safety"


def is_upgrades(note: SnapshotNote) -> bool:
    """Whether it is a spare one that an upgrade took and that nobody has labelled."""
    return is_spare(note) and note.purpose == "upgrade" and note.label is None


def check_label(text: str) -> str:
    """``text`` as a label.

    Raises:
        InputError: It could be mistaken for something else, or is not fit to be typed.
    """
    label = text.strip()
    if label.lower() in RESERVED_WORDS:
        why = "that word has a meaning of its own"
    elif _HEX.fullmatch(label.lower()):
        why = "it could be the beginning of a snapshot id, which is hexadecimal"
    elif len(label) > LABEL_MAX_CHARACTERS:
        why = f"it has {len(label)} characters, and {LABEL_MAX_CHARACTERS} are the most"
    elif not _LABEL.fullmatch(label):
        why = "letters, digits and . _ + : / @ - are allowed, the first a letter or a digit"
    else:
        return label
    raise InputError(
        f"{text!r} is no label: {why}",
        value=text,
        code="invalid-label",
        hint="for example: before-2.0",
    )


def could_be_label(text: str) -> bool:
    """Whether a snapshot may have ``text`` as its label."""
    try:
        check_label(text)
    except InputError:
        return False
    return True


def holder_of(label: str, present: Iterable[SnapshotId], notes: Notes) -> SnapshotId | None:
    """The one of those ``present`` that has ``label``; upper and lower case make no difference."""
    wanted = label.casefold()
    for snapshot in present:
        held = note_of(notes, snapshot).label
        if held is not None and held.casefold() == wanted:
            return snapshot
    return None
