"""What writing down a step costs. Times are shown; how much is written is asserted."""

import dataclasses
import os

import pytest

from juno_snap.pipeline.journal import JOURNAL_FILE
from juno_snap.pipeline.journal.store import Journal
from tests.bench.figures import median_ms, report
from tests.unit.pipeline.journal_values import call, operation

STEPS = 30
PAGE_BYTES = 16384
PAGES_OF_A_STEP = 14
"""Written at most for a step without its call: seven pages of tables and indexes, twice."""


@pytest.mark.parametrize(
    ("what", "body_bytes"),
    [
        pytest.param("a_small_call", 500, id="small"),
        pytest.param("one_MB", 1_000_000, id="1 MB"),
        pytest.param("the_largest_call_of_two_MB", 2_000_000, id="2 MB"),
    ],
)
def test_a_step_costs_little_beside_its_call(tmp_path, capsys, what, body_bytes):
    with Journal.open(tmp_path) as journal:
        journal.begin(operation("a"))

        def write_step():
            signed = call(body=os.urandom(body_bytes))
            step = journal.begin_step("a", name="install", leg="forward", at_ns=2, calls=[signed])
            replied = dataclasses.replace(signed, state="replied", certified_at_ns=3)
            journal.end_step(
                "a", step.number, state="done", at_ns=3, evidence={"hash": "ab"}, calls=[replied]
            )

        write_step()
        journal._database.empty_log()
        write_step()
        written = (tmp_path / f"{JOURNAL_FILE}-wal").stat().st_size
        ms = median_ms(write_step, times=STEPS)
    assert written < PAGES_OF_A_STEP * PAGE_BYTES + 2.1 * body_bytes
    report(capsys, **{f"journal_of_a_step_with_{what}": ms})
