"""Why a journal, or a file beside it, cannot be used."""

from typing import Final

from juno_snap.database.refusals import Refusals

REFUSALS: Final = Refusals(
    what="journal",
    damaged_hint="what an unfinished operation did is not known any more: look at the modules with "
    "'juno-snap status' first, then put back a copy of the file, or move it and its -wal and "
    "-shm files away to begin a new one",
)
