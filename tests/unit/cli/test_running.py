"""Signals while a person is asked."""

import os
import signal
import threading

import pytest

from juno_snap.cli.exit_codes import CancelledByPersonError
from juno_snap.cli.running import prompting

SOON_SECONDS = 0.2
GIVING_UP_SECONDS = 20.0


def test_a_signal_that_does_not_end_the_read_is_noticed_all_the_same():
    answers, answering = os.pipe()
    is_over, has_hung = threading.Event(), threading.Event()

    def press():
        # It arrives in this thread, as one that comes before the read does: the read goes on.
        is_over.wait(SOON_SECONDS)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        if not is_over.wait(GIVING_UP_SECONDS):
            has_hung.set()
            os.write(answering, b"y")

    presser = threading.Thread(target=press)

    def ask():
        with prompting():
            presser.start()
            os.read(answers, 1)

    with pytest.raises(CancelledByPersonError, match="nothing was changed"):
        ask()
    is_over.set()
    presser.join()
    os.close(answers)
    os.close(answering)
    assert not has_hung.is_set()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
