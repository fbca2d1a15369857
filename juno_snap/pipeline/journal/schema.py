"""The tables of the journal, and how its values become rows and come back.

The format, version 1 (**Format**: a change is a new version):

* Columns have types that every SQL database knows. Times are nanoseconds since 1970, UTC.
  Structured values are JSON text. Identifiers are the platform's bytes.
* ``checksum`` is the CRC-32 of the other columns of its row, in their order. The database notices a
  broken page, not a changed letter in it; a wrong snapshot id must not be believed.
* A signed call is sealed (AES-256-GCM, nonce of zeros, the request id as associated data) under a
  key of its own. The key stands in the call's row, the sealed bytes in ``envelopes``. Both are
  there while the outcome is open. Then the key is overwritten, and the sealed row removed.
* Operations, then their steps by number, then the calls of a step by position. Snapshots are keyed
  by network (root key) and module.
* Two indexes find the operations of a module among those of a fleet; a file that was made before
  and has none is read and written the same.
"""

import json
from typing import Final

import sqlalchemy as sql

from juno_snap.database.sqlite import Layout
from juno_snap.pipeline.journal.refusals import REFUSALS

FORMAT_VERSION: Final = 1
PAGE_BYTES: Final = 16384
"""A call of 2 MB is written in fewer pages."""

TABLES: Final = sql.MetaData()

FORMAT: Final = sql.Table(
    "journal_format",
    TABLES,
    sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("made_by", sql.Text, nullable=False),
)
"""One row. ``made_by`` is the version of the program that made the file."""

OPERATIONS: Final = sql.Table(
    "operations",
    TABLES,
    sql.Column("place", sql.Integer, primary_key=True),
    sql.Column("id", sql.Text, nullable=False, unique=True),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("network", sql.Text, nullable=False),
    sql.Column("root_key", sql.LargeBinary, nullable=False),
    sql.Column("module", sql.LargeBinary, nullable=False),
    sql.Column("principal", sql.LargeBinary, nullable=False),
    sql.Column("began_at_ns", sql.BigInteger, nullable=False),
    sql.Column("digest", sql.LargeBinary, nullable=False),
    sql.Column("program", sql.Text, nullable=False),
    sql.Column("kept", sql.Text, nullable=False),
    sql.Column("host", sql.Text, nullable=False),
    sql.Column("pid", sql.Integer, nullable=False),
    sql.Column("made_by", sql.Text, nullable=False),
    sql.Column("finished_at_ns", sql.BigInteger),
    sql.Column("outcome", sql.Text),
    sql.Column("report", sql.Text),
    sql.Column("checksum", sql.BigInteger, nullable=False),
    sql.Index("operations_of_module", "root_key", "module"),
    sql.Index("operations_by_outcome", "outcome"),
)
"""``place`` counts up in the order of beginning; it is the database's and not in the checksum."""

STEPS: Final = sql.Table(
    "steps",
    TABLES,
    sql.Column("operation", sql.Text, sql.ForeignKey("operations.id"), primary_key=True),
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("name", sql.Text, nullable=False),
    sql.Column("leg", sql.Text, nullable=False),
    sql.Column("state", sql.Text, nullable=False),
    sql.Column("began_at_ns", sql.BigInteger, nullable=False),
    sql.Column("ended_at_ns", sql.BigInteger),
    sql.Column("seen", sql.Text, nullable=False),
    sql.Column("evidence", sql.Text, nullable=False),
    sql.Column("checksum", sql.BigInteger, nullable=False),
)

CALLS: Final = sql.Table(
    "calls",
    TABLES,
    sql.Column("operation", sql.Text, primary_key=True),
    sql.Column("step", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("position", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("request_id", sql.LargeBinary, nullable=False),
    sql.Column("canister_id", sql.LargeBinary, nullable=False),
    sql.Column("effective_canister_id", sql.LargeBinary, nullable=False),
    sql.Column("method", sql.Text, nullable=False),
    sql.Column("expires_at_ns", sql.BigInteger, nullable=False),
    sql.Column("signed_after_ns", sql.BigInteger, nullable=False),
    sql.Column("state", sql.Text, nullable=False),
    sql.Column("certified_at_ns", sql.BigInteger),
    sql.Column("envelope", sql.Integer),
    sql.Column("key", sql.LargeBinary),
    sql.Column("checksum", sql.BigInteger, nullable=False),
    sql.ForeignKeyConstraint(["operation", "step"], ["steps.operation", "steps.number"]),
    sql.UniqueConstraint("operation", "step", "request_id"),
)
"""``envelope`` is the place of the sealed call, ``key`` opens it; both or none."""

ENVELOPES: Final = sql.Table(
    "envelopes",
    TABLES,
    sql.Column("place", sql.Integer, primary_key=True),
    sql.Column("sealed", sql.LargeBinary, nullable=False),
)
"""No checksum: the seal shows a change. A table of its own, because its pages alone may be let go
without being overwritten."""

SNAPSHOTS: Final = sql.Table(
    "snapshots",
    TABLES,
    sql.Column("root_key", sql.LargeBinary, primary_key=True),
    sql.Column("module", sql.LargeBinary, primary_key=True),
    sql.Column("id", sql.LargeBinary, primary_key=True),
    sql.Column("purpose", sql.Text),
    sql.Column("operation", sql.Text),
    sql.Column("label", sql.Text),
    sql.Column("is_protected", sql.Boolean, nullable=False),
    sql.Column("checksum", sql.BigInteger, nullable=False),
    sql.UniqueConstraint("root_key", "module", "label"),
)
"""``operation`` refers to none where the snapshot came from elsewhere."""


def to_json(value: object) -> str:
    """JSON text, in the order given."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


LAYOUT: Final = Layout(
    tables=TABLES, format=FORMAT, version=FORMAT_VERSION, page_bytes=PAGE_BYTES, refusals=REFUSALS
)
