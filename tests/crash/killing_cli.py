"""The command line in a process that kills itself at a write that was chosen.

    killing_cli.py LOG STATE POINT WORDS...

Each write into the journal, and each other file that is put into its place below STATE, adds a line
to LOG just before and just after; the line with the number POINT (0: none) is the last thing that
this process does. The program knows nothing of it: what is listened to are the events of SQLAlchemy
and of the interpreter.
"""

import os
import signal
import sys
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.pool import Pool

from juno_snap.cli.main import main


class Writes:
    """Counts the writes, tells of them and ends the process at one."""

    def __init__(self, log, state, point):
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.state = str(Path(state).absolute())
        self.point = point
        self.passed = 0
        self.changes = {}
        self.written = False
        self.tables = []
        self.what = ""

    def tell(self, what):
        self.passed += 1
        os.write(self.log, f"{what}\n".encode())
        if self.passed == self.point:
            os.kill(os.getpid(), signal.SIGKILL)

    def connected(self, connection, _record):
        """Some statements go to the driver as they are: it tells of all."""
        connection.set_trace_callback(self.before_statement)

    def before_statement(self, statement):
        """What is written tells which table it is about."""
        words = statement.replace('"', "").split()
        if words[0].upper() in {"INSERT", "UPDATE", "REPLACE", "DELETE"}:
            verb, *others = (word for word in words if word.upper() not in {"INTO", "OR", "FROM"})
            self.tables.append(f"{verb.lower()} {others[0]}")

    def before_commit(self, connection):
        """A transaction that only reads is no write."""
        below = connection.connection.dbapi_connection
        changes = below.total_changes
        self.written = changes != self.changes.get(id(below), 0)
        self.changes[id(below)] = changes
        self.what = ", ".join(dict.fromkeys(self.tables))
        self.tables.clear()
        if self.written:
            self.tell(f"before a commit: {self.what}")

    def after_commit(self, *_details):
        if self.written:
            self.written = False
            self.tell(f"after a commit: {self.what}")

    def before_rename(self, event, arguments):
        """Our files are written under another name and renamed."""
        if event == "os.rename" and str(arguments[1]).startswith(self.state):
            self.tell(f"before {Path(arguments[1]).parent.name}/ gets a file")


def listen_to_writes(log, state, point):
    """From here on this process ends itself at that write."""
    writes = Writes(log, state, point)
    sql.event.listen(Pool, "connect", writes.connected)
    sql.event.listen(sql.Engine, "commit", writes.before_commit)
    sql.event.listen(Pool, "reset", writes.after_commit)
    sys.addaudithook(writes.before_rename)


if __name__ == "__main__":
    listen_to_writes(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    sys.argv[1:4] = []
    main()
