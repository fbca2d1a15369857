"""What large modules cost the replica. Figures are shown; ratios are asserted, generously."""

import time

from juno_snap.replica.runtime import Engine, wasm_from_text
from juno_snap.replica.server import run_replica
from tests.bench.figures import median_ms, report
from tests.bench.large_code import large_functions
from tests.replica.client import Client
from tests.replica.engine import Bench, wat


def timed_ms(run):
    begin = time.perf_counter()
    run()
    return (time.perf_counter() - begin) * 1000


def test_a_trap_on_a_large_heap_costs_about_as_much_as_nothing(capsys):
    canister = Bench(wat("heap"))
    assert canister.update("trap").reject.error_code == "IC0502"
    nothing_ms = median_ms(lambda: canister.update("nothing"), times=100)
    touch_ms = median_ms(lambda: canister.update("touch"), times=100)
    trap_ms = median_ms(lambda: canister.update("trap"), times=100)
    report(
        capsys,
        heap_of_200_MB_no_op_update=nothing_ms,
        heap_of_200_MB_update_of_one_page=touch_ms,
        heap_of_200_MB_trapping_update=trap_ms,
    )
    assert trap_ms < 10 * nothing_ms


def test_a_snapshot_of_a_large_heap_costs_one_copy_of_it(capsys):
    canister = Bench(wat("heap"))
    bytes_of_heap = bytes(canister.code.heap.size_bytes)
    plain_ms = median_ms(lambda: bytearray(bytes_of_heap), times=5)
    copies = []
    snapshot_ms = median_ms(lambda: copies.append(canister.code.snapshot_copy()), times=5)
    report(capsys, heap_of_200_MB_plain_copy=plain_ms, heap_of_200_MB_snapshot=snapshot_ms)
    assert {copy.heap.read(100_000_000, 4) for copy in copies} == {b"\x07\x07\x07\x07"}
    assert snapshot_ms < 20 * plain_ms
    for copy in copies:
        copy.close()


def test_a_large_module_is_compiled_once(capsys, tmp_path):
    wasm = wasm_from_text(f'(module (func (export "canister_init")) {large_functions()})')
    compile_ms = timed_ms(lambda: Engine(tmp_path).compile(wasm))
    kept = {path.name for path in tmp_path.iterdir()}
    load_ms = timed_ms(lambda: Engine(tmp_path).compile(wasm))
    report(
        capsys,
        **{
            f"module_of_{len(wasm) / 1e6:.1f}_MB_compiled": compile_ms,
            f"module_of_{len(wasm) / 1e6:.1f}_MB_loaded_again": load_ms,
        },
    )
    assert len(wasm) > 3_000_000
    assert {path.name for path in tmp_path.iterdir()} == kept
    assert load_ms < compile_ms


def test_a_thousand_updates_do_not_slow_down(capsys):
    with run_replica() as running, Client(running) as client:
        canister = client.create("face")
        first_ms = median_ms(lambda: client.call(canister, "ping"), times=100)
        middle_ms = median_ms(lambda: client.call(canister, "ping"), times=800)
        last_ms = median_ms(lambda: client.call(canister, "ping"), times=100)
    report(
        capsys,
        update_among_the_first_100=first_ms,
        update_among_the_next_800=middle_ms,
        update_among_the_last_100=last_ms,
    )
    assert last_ms < 3 * first_ms
