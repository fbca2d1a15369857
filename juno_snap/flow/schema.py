"""The tables of flows.

The format, version 1 (**Format**: a change is a new version):

* Columns have types that every SQL database knows; only the check of a snapshot's size is said
  twice. Times are nanoseconds since 1970, UTC. Values are compact JSON text.
* A write is done only with the flow's present ``fence`` and ``epoch`` and, for a step snapshot,
  with a higher ``sequence``. Each run has a higher fence than the one before, each change by a
  person makes a new epoch. ``lease_until_ns`` is for a database of several machines; here the
  operating system's lock decides, and it is 0.
* ``checksum``: see ``juno_snap.database.rows``.
* ``changes`` is what ``undo`` goes back to: the body before a change by a person, none where there
  was none. Rows of one ``change`` belong together.
"""

from typing import Final

import sqlalchemy as sql

from juno_snap.database.refusals import Refusals
from juno_snap.database.sqlite import Layout
from juno_snap.flow.model import SNAPSHOT_MAX_BYTES

FORMAT_VERSION: Final = 1
PAGE_BYTES: Final = 4096
"""A marker fits into two; each write of a large one takes few."""

TABLES: Final = sql.MetaData()

FORMAT: Final = sql.Table(
    "flow_format",
    TABLES,
    sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("made_by", sql.Text, nullable=False),
)

FLOWS: Final = sql.Table(
    "flows",
    TABLES,
    sql.Column("flow", sql.Text, primary_key=True),
    sql.Column("steps", sql.Text, nullable=False),
    sql.Column("source", sql.Text, nullable=False),
    sql.Column("owner", sql.Text, nullable=False),
    sql.Column("lease_until_ns", sql.BigInteger, nullable=False),
    sql.Column("fence", sql.BigInteger, nullable=False),
    sql.Column("epoch", sql.BigInteger, nullable=False),
    sql.Column("stop_asked", sql.BigInteger, nullable=False),
    sql.Column("checksum", sql.BigInteger, nullable=False),
)
"""``stop_asked`` is the fence of the run that was asked to stop, 0 for none."""

STEP_SNAPSHOTS: Final = sql.Table(
    "step_snapshots",
    TABLES,
    sql.Column("flow", sql.Text, sql.ForeignKey("flows.flow"), primary_key=True),
    sql.Column("step", sql.Text, primary_key=True),
    sql.Column("epoch", sql.BigInteger, nullable=False),
    sql.Column("sequence", sql.BigInteger, nullable=False),
    sql.Column("body", sql.Text, nullable=False),
    sql.Column("run", sql.Text),
    sql.Column("updated_at_ns", sql.BigInteger, nullable=False),
    sql.Column("checksum", sql.BigInteger, nullable=False),
    sql.CheckConstraint(
        f"length(CAST(body AS BLOB)) <= {SNAPSHOT_MAX_BYTES}", name="body_size"
    ).ddl_if(dialect="sqlite"),
    sql.CheckConstraint(f"octet_length(body) <= {SNAPSHOT_MAX_BYTES}", name="body_octets").ddl_if(
        dialect="postgresql"
    ),
)

RUNS: Final = sql.Table(
    "runs",
    TABLES,
    sql.Column("id", sql.Text, primary_key=True),
    sql.Column("flow", sql.Text, sql.ForeignKey("flows.flow"), nullable=False, index=True),
    sql.Column("fence", sql.BigInteger, nullable=False),
    sql.Column("state", sql.Text, nullable=False),
    sql.Column("error", sql.Text),
    sql.Column("began_at_ns", sql.BigInteger, nullable=False),
    sql.Column("ended_at_ns", sql.BigInteger),
    sql.Column("checksum", sql.BigInteger, nullable=False),
)
"""``fence``: of the process that worked on it last; the newest run of a flow has the highest."""

UNITS: Final = sql.Table(
    "units",
    TABLES,
    sql.Column("run", sql.Text, sql.ForeignKey("runs.id"), primary_key=True),
    sql.Column("step", sql.Text, primary_key=True),
    sql.Column("item", sql.Text, primary_key=True),
    sql.Column("position", sql.BigInteger, nullable=False),
    sql.Column("state", sql.Text, nullable=False),
    sql.Column("attempts", sql.BigInteger, nullable=False),
    sql.Column("seen_sequence", sql.BigInteger, nullable=False),
    sql.Column("message", sql.Text, nullable=False),
    sql.Column("error", sql.Text),
    sql.Column("checksum", sql.BigInteger, nullable=False),
    sql.UniqueConstraint("run", "step", "position"),
)

CHANGES: Final = sql.Table(
    "changes",
    TABLES,
    sql.Column("change", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("flow", sql.Text, sql.ForeignKey("flows.flow"), primary_key=True),
    sql.Column("step", sql.Text, primary_key=True),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("old_body", sql.Text),
    sql.Column("actor", sql.Text, nullable=False),
    sql.Column("at_ns", sql.BigInteger, nullable=False),
    sql.Column("checksum", sql.BigInteger, nullable=False),
)
"""``change`` counts up within a flow: it is the epoch that the change began."""

LAYOUT: Final = Layout(
    tables=TABLES,
    format=FORMAT,
    version=FORMAT_VERSION,
    page_bytes=PAGE_BYTES,
    refusals=Refusals(
        what="flows-file",
        damaged_hint="put back a copy of the file, or move it and its -wal and -shm files away to "
        "begin a new one: every step then begins with an empty step snapshot",
    ),
)
