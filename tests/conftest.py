"""What every test gets: an event loop, and an environment without the user's own settings."""

import os
import signal

import pytest

for ignored in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        # Begun in the background (&, nohup): the processes that tests signal would ignore it too.
        signal.signal(ignored, signal.SIG_DFL)


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """No setting of the person who runs the tests reaches them, and their home stays untouched."""
    for name in list(os.environ):
        if name.startswith(("JUNO_SNAP_", "JUNO_", "XDG_", "ICP_", "DFX_")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
