"""One live operation per module: a lock that the operating system holds for a process.

Two machines, or two state directories, know nothing of each other; what one of them changes is
noticed by the other before it installs.
"""

import contextlib
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from juno_snap.clock import Clock
from juno_snap.files import lock_file, make_private_folders
from juno_snap.ids import Principal
from juno_snap.pipeline.journal.refusals import REFUSALS
from juno_snap.pipeline.report import rfc3339

LOCKS: Final = "locks"
NAME_BYTES: Final = 16


@contextlib.contextmanager
def module_lock(
    directory: Path, root_key: bytes, module: Principal, *, clock: Clock
) -> Iterator[None]:
    """Hold a module of a network for this state directory, until the block or the process ends.

    Raises:
        LockedError: Somebody holds it, maybe this process; names pid, host and since when.
        PreconditionError: The lock cannot be written (``journal-read-only``, ``journal-full``).
    """
    name = hashlib.sha256(root_key + module.raw).digest()[:NAME_BYTES].hex()
    path = directory / LOCKS / f"{name}.lock"
    details = f" on {socket.gethostname()}, since {rfc3339(clock.now_ns())}"
    with contextlib.ExitStack() as held:
        try:
            make_private_folders(directory, path.parent)
            held.enter_context(lock_file(path, purpose=f"module {module}", details=details))
        except OSError as error:
            raise REFUSALS.of_os_error(str(path), error) from error
        yield
