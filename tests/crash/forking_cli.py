"""The command line in processes that need not start: this one has it imported, and forks.

    forking_cli.py SOCKET

Whoever connects sends a line of JSON: ``words``, ``environment``, ``cwd``, the files ``out`` and
``err``, and the arguments of ``killing_cli`` or none. It gets a line with the id of the process,
and one with its exit code when that has ended; where it hangs up before, the process is killed. All
is over when standard input is. Most of what a command takes is its imports.
"""

import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys

import juno_snap
from juno_snap.cli.main import main
from tests.crash.killing_cli import listen_to_writes

LEFT_OUT = ("__main__", "pytest_plugin")


def import_all():
    """The program in all its parts."""
    for found in pkgutil.walk_packages(juno_snap.__path__, "juno_snap."):
        if not found.name.endswith(LEFT_OUT):
            importlib.import_module(found.name)


def serve(path):
    """The request of each process to run, in that process; this one stays."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever has ended is of no interest here
    os.write(1, b"ready\n")
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return watch(connection)
        connection.close()
    sys.exit()


def watch(connection):
    """The request in a new process; in this one, tell of it until it has ended."""
    asked = json.loads(connection.makefile().readline())
    process = os.fork()
    if process == 0:
        connection.close()
        return asked
    connection.sendall(f"{process}\n".encode())
    has_ended = os.pidfd_open(process)
    is_left = connection in select.select([connection, has_ended], [], [])[0]
    if is_left:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if not is_left:
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def become(asked):
    """Take on all that the process was to be started with."""
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, (name, mode) in enumerate(
        [(os.devnull, os.O_RDONLY), (asked["out"], writing), (asked["err"], writing)]
    ):
        file = os.open(name, mode)
        os.dup2(file, number)
        os.close(file)
    sys.argv[:] = ["juno-snap", *asked["words"]]
    if asked["killing"] is not None:
        log, state, point = asked["killing"]
        listen_to_writes(log, state, int(point))


if __name__ == "__main__":
    import_all()
    become(serve(sys.argv[1]))
    main()
