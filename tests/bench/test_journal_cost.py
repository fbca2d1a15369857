"""What the journal adds to a step: two records, each on disk before anything else happens.

Times are shown; how much is written is asserted. A step may add at most 10 ms on an idle machine.
"""

import dataclasses
import itertools
import os

import pytest

from juno_snap.ids import RequestId
from juno_snap.pipeline.journal import JOURNAL_FILE
from juno_snap.pipeline.journal.store import Journal
from tests.bench.figures import median_ms, report
from tests.unit.pipeline.journal_values import call, operation

STEPS = 40
SMALL_BYTES = 600
LARGEST_BYTES = 2_000_000
"""An ``install_code`` that carries its Wasm; the network takes no larger call."""
PAGE_BYTES = 16384
PAGES_OF_A_STEP = 18
"""Written at most for a step beside its call: nine pages of tables and indexes, twice."""


def writing_of_steps(journal, body_bytes):
    """What writes down one step more at each call."""
    numbers = itertools.count()
    like = call(body=os.urandom(body_bytes))

    def write_step():
        signed = dataclasses.replace(like, request_id=RequestId(next(numbers).to_bytes(32, "big")))
        step = journal.begin_step("a", name="install", leg="forward", at_ns=2, calls=[signed])
        replied = dataclasses.replace(signed, state="replied", certified_at_ns=3)
        journal.end_step(
            "a", step.number, state="done", at_ns=3, evidence={"hash": "ab"}, calls=[replied]
        )

    return write_step


@pytest.mark.parametrize(
    ("what", "body_bytes"),
    [
        pytest.param("a small call", SMALL_BYTES, id="small"),
        pytest.param("a chunk of 1 MB", 1_000_000, id="1 MB"),
        pytest.param("the largest call, 2 MB", LARGEST_BYTES, id="2 MB"),
    ],
)
def test_a_step_costs_little_beside_its_call(tmp_path, capsys, what, body_bytes):
    with Journal.open(tmp_path) as journal:
        journal.begin(operation("a"))
        write_step = writing_of_steps(journal, body_bytes)
        write_step()
        journal._database.empty_log()
        write_step()
        written = (tmp_path / f"{JOURNAL_FILE}-wal").stat().st_size
        ms = median_ms(write_step, times=STEPS)
        size_bytes = (tmp_path / JOURNAL_FILE).stat().st_size
    report(capsys, **{f"journal: a step of {what} (limit 10)": ms})
    assert written < PAGES_OF_A_STEP * PAGE_BYTES + 1.05 * body_bytes
    assert size_bytes < 30 * PAGE_BYTES + 2 * body_bytes  # pages are used again


def test_a_step_in_memory_costs_little(capsys):
    with Journal.in_memory() as journal:
        journal.begin(operation("a"))
        ms = median_ms(writing_of_steps(journal, SMALL_BYTES), times=STEPS)
        assert len(journal.operation("a").steps) == STEPS
    report(capsys, **{"journal: a step of a small call, in memory": ms})
