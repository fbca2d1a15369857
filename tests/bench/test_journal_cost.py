"""What the journal adds to a step: two records, each on disk before anything else happens."""

import dataclasses
import itertools

from juno_snap.agent.submission import PreparedCall
from juno_snap.ids import MANAGEMENT_CANISTER, Principal, RequestId
from juno_snap.pipeline.journal.records import CallRecord, NewOperation
from juno_snap.pipeline.journal.store import Journal
from juno_snap.units import MIB
from tests.bench.figures import median_ms, report

MODULE = Principal(b"\x00\x00\x00\x00\x00\x00\x00\x07\x01\x01")
OPERATION = NewOperation(
    id="measured",
    kind="upgrade",
    network="local",
    root_key=b"key",
    module=MODULE,
    principal=MODULE,
    began_at_ns=1,
    digest=b"digest",
    program={},
)


def call_of(number, body_bytes):
    return CallRecord.of(
        PreparedCall(
            request_id=RequestId(number.to_bytes(32, "big")),
            canister_id=MANAGEMENT_CANISTER,
            effective_canister_id=MODULE,
            method="install_code",
            expires_at_ns=1,
            body=bytes(body_bytes),
            signed_after_ns=0,
        )
    )


def step_ms(journal, *, body_bytes, times):
    """The median time that one step spends with the journal."""
    numbers = itertools.count(body_bytes)

    def step():
        call = call_of(next(numbers), body_bytes)
        begun = journal.begin_step("measured", name="install", leg="forward", at_ns=1, calls=[call])
        replied = dataclasses.replace(call, state="replied", body=None)
        journal.end_step(
            "measured", begun.number, state="done", at_ns=2, evidence={}, calls=[replied]
        )

    return median_ms(step, times=times)


def test_the_journal_costs_little_per_step(tmp_path, capsys):
    with Journal.open(tmp_path) as on_disk, Journal.in_memory() as in_memory:
        for journal in (on_disk, in_memory):
            journal.begin(OPERATION)
        figures = {
            "journal: a step of a small call, on disk (limit 10)": (on_disk, 600),
            "the same in memory": (in_memory, 600),
            "journal: an install of 1.9 MB in its envelope, on disk": (on_disk, 2 * MIB - 100_000),
        }
        measured = {
            what: step_ms(journal, body_bytes=size, times=40)
            for what, (journal, size) in figures.items()
        }
        report(capsys, **measured)
        assert len(on_disk.operation("measured").steps) == 80
