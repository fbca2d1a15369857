"""What was about to be done and what happened, on disk before anything leaves.

In here: operations, steps, signed calls and what is known of snapshots, in one SQLite file of the
state directory; the lock of a module; the Wasm and arguments of operations that are not finished.
Not in here: what any of it means; ``next_action`` and ``settle`` decide that. ``pipeline``,
``flow`` and ``cli`` may import it. ``schema`` describes the format.

Decisions. One file for all modules and networks, so that a history is one question; its writes are
short, and processes wait for each other. The signed call stands in the database, not in a file
beside it: one transaction holds the intent whole, and nothing is left over when the process dies
between two. It is sealed with a key of its own, and with the outcome only the key is overwritten:
to overwrite 2 MB would take longer than all the rest, while the module is stopped. Room for an
operation that has begun is kept in a file without a name, which the system frees at death; after it
is used up, others may fill the disk before us. A row has a checksum, because a wrong snapshot id
must not be believed. What a checksum cannot show is a log that lost its end: then the journal tells
how it was at an earlier write, and the network is asked in any case.
"""

from typing import Final

JOURNAL_FILE: Final = "journal.sqlite"
"""Its name in the state directory."""
