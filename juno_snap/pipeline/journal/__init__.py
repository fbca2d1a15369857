"""What was about to be done and what happened, on disk before anything leaves.

In here: operations, steps, signed calls and what is known of snapshots, in one SQLite file of the
state directory; the lock of a module; the Wasm and arguments of operations that are not finished.
Not in here: what any of it means; ``next_action`` and ``settle`` decide that. ``pipeline``,
``flow`` and ``cli`` may import it.
"""

from typing import Final

JOURNAL_FILE: Final = "journal.sqlite"
"""Its name in the state directory."""
