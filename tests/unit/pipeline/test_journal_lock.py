import hashlib
import os
import signal
import socket
import stat

import pytest

from juno_snap.errors import LockedError, NotFoundError
from juno_snap.ids import Principal
from juno_snap.pipeline.journal.lock import module_lock
from juno_snap.pipeline.journal.vault import Vault
from juno_snap.pipeline.report import rfc3339
from tests.fake_clock import START_NS, FakeClock
from tests.unit.pipeline.journal_child import start
from tests.unit.pipeline.journal_values import MODULE, OTHER_MODULE, ROOT_KEY


def lock(directory, root_key=ROOT_KEY, module=MODULE):
    return module_lock(directory, root_key, module, clock=FakeClock())


def test_a_module_is_held_once_also_within_a_process(tmp_path):
    with lock(tmp_path):
        with pytest.raises(LockedError) as caught, lock(tmp_path):
            pass
        assert caught.value.code == "locked"
        for text in (str(MODULE), f"pid {os.getpid()}", socket.gethostname(), rfc3339(START_NS)):
            assert text in caught.value.message
        with pytest.raises(LockedError), lock(tmp_path):
            pass
    with lock(tmp_path):
        pass


def test_modules_and_networks_are_held_apart(tmp_path):
    with (
        lock(tmp_path),
        lock(tmp_path, module=OTHER_MODULE),
        lock(tmp_path, root_key=b"another"),
        lock(tmp_path / "elsewhere"),
    ):
        names = [path.name for path in (tmp_path / "locks").iterdir()]
    assert len(names) == 3
    assert all(len(name) < 50 and name.endswith(".lock") for name in names)


def test_locks_stand_in_a_private_directory(tmp_path):
    state = tmp_path / "state"
    with lock(state, module=Principal(b"")):
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert stat.S_IMODE((state / "locks").stat().st_mode) == 0o700


def test_an_error_inside_is_not_taken_for_one_of_the_lock(tmp_path):
    with pytest.raises(OSError, match="mine"), lock(tmp_path):
        raise OSError("mine")
    with lock(tmp_path):
        pass


def test_the_system_lets_go_of_what_a_killed_process_held(tmp_path):
    with start("begin_and_wait", tmp_path) as child:
        assert child.stdout.readline() == '"begun"\n'
        with pytest.raises(LockedError, match=f"pid {child.pid} on"), lock(tmp_path):
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
        with lock(tmp_path):
            pass


def test_a_child_forked_while_it_was_held_does_not_hold_it_on(tmp_path):
    ends, waits = os.pipe()
    with lock(tmp_path):
        child = os.fork()
        if not child:
            os.close(waits)
            os.read(ends, 1)
            os._exit(0)
    os.close(ends)
    try:
        with lock(tmp_path):
            pass
    finally:
        os.close(waits)
        os.waitpid(child, 0)


def test_what_is_kept_comes_back_by_its_hash(tmp_path):
    vault = Vault(tmp_path / "state")
    sha256 = vault.keep(b"\0asm code")
    assert sha256 == hashlib.sha256(b"\0asm code").digest()
    assert vault.keep(b"\0asm code") == sha256
    assert vault.keep(b"") != sha256
    assert Vault(tmp_path / "state").kept(sha256) == b"\0asm code"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state" / "kept").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_what_is_released_is_gone_and_may_be_released_again(tmp_path):
    vault = Vault(tmp_path)
    first, second = vault.keep(b"1"), vault.keep(b"2")
    vault.release([first, b"n" * 32])
    vault.release([first])
    with pytest.raises(NotFoundError):
        vault.kept(first)
    assert vault.kept(second) == b"2"


def test_what_was_changed_is_not_given_out(tmp_path):
    vault = Vault(tmp_path)
    sha256 = vault.keep(b"good code")
    (tmp_path / "kept" / sha256.hex()).write_bytes(b"evil code")
    with pytest.raises(NotFoundError, match="was changed") as caught:
        vault.kept(sha256)
    assert caught.value.code == "kept-changed"
