"""What a step snapshot costs: to emit one, to emit many, and to have one on disk.

Times are shown; how many transactions are made is asserted.
"""

import os
import sys
import time

from juno_snap.flow.emitter import Emitter, Outbox
from juno_snap.flow.store import FlowStore
from tests.bench.figures import median_ms, report
from tests.unit.flow.flow_values import bodies, new_run

EMITS = 20_000
DURABLE = 200
MARKER = {"wave": 3, "last": "rrkah-fqaaa-aaaaa-aaaaq-cai", "done": 12}
LARGE = {"marker": "x" * 5000}


def emitter_of(store):
    claim, _ = store.begin(new_run())
    emitter = Emitter(store, claim, now_ns=time.time_ns, warn=lambda _text: None)
    emitter.open_step("a", None)
    return emitter


def test_an_emit_costs_microseconds_and_many_become_few_writes(tmp_path, capsys):
    with FlowStore.open(tmp_path) as store:
        emitter = emitter_of(store)
        outbox = Outbox()
        emit_ms = median_ms(lambda: emitter.emit("a", MARKER, outbox), times=5000)
        large_ms = median_ms(lambda: emitter.emit("a", LARGE, outbox), times=2000)
        emitter.flush()
        before, began = emitter.writes, time.perf_counter()
        for number in range(EMITS):
            emitter.emit("a", {**MARKER, "done": number}, outbox)
        emitter.flush()
        spent_seconds = time.perf_counter() - began
        writes = emitter.writes - before
        emitter.close()
        assert f'"done":{EMITS - 1}' in bodies(store)["a"]
    report(
        capsys,
        **{
            "step snapshot: emit (limit 0.020)": emit_ms,
            "step snapshot: emit of 5 kB": large_ms,
            f"step snapshot: {EMITS} emits": spent_seconds * 1000,
        },
    )
    with capsys.disabled():
        sys.stdout.write(f"{'step snapshot: they became writes':<60} {writes:9d}\n")
    assert writes <= 2 + spent_seconds / 0.04  # one for each 40 ms at most


def test_a_durable_emit_costs_one_small_write(tmp_path, capsys):
    with FlowStore.open(tmp_path) as store:
        emitter = emitter_of(store)
        outbox = Outbox()

        def emit(value):
            emitter.emit("a", value, outbox)
            emitter.flush()

        small_ms = median_ms(lambda: emit(MARKER), times=DURABLE)
        large_ms = median_ms(lambda: emit(LARGE), times=DURABLE)
        assert emitter.writes == 2 * DURABLE
        emitter.close()
    with (tmp_path / "beside").open("wb") as file:

        def write_and_sync():
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())

        sync_ms = median_ms(write_and_sync, times=DURABLE)
    report(
        capsys,
        **{
            "step snapshot: durable emit (limit 3)": small_ms,
            "step snapshot: durable emit of 5 kB": large_ms,
            "a file: write 4 kB and sync": sync_ms,
        },
    )
