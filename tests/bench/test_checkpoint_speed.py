"""What it costs that management calls wait for the disk. Figures are shown, ratios asserted."""

from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.replica.server import run_replica
from tests.bench.figures import median_ms, report
from tests.replica.client import Client

HEAP_BYTES = 200 * 2**20
PAGES = HEAP_BYTES // 65536
MODULE = f"""
(module
  (import "ic0" "msg_reply" (func $reply))
  (memory (export "memory") {PAGES})
  (func (export "canister_update fill")
    (local $at i32)
    (loop $next
      (i32.store (local.get $at) (i32.add (local.get $at) (i32.const 1)))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const {HEAP_BYTES}))))
    (call $reply))
  (func (export "canister_update touch")
    (i32.store (i32.const 8192) (i32.add (i32.load (i32.const 8192)) (i32.const 1)))
    (call $reply)))
"""


def figures(directory):
    with run_replica(ReplicaOptions(directory=directory)) as running, Client(running) as client:
        canister = client.create()
        client.install(canister, wasm_from_text(MODULE))
        client.call(canister, "fill")

        def manage(method):
            return client.manage(method, canister, canister_id=canister)

        def change_and_manage():
            client.call(canister, "touch")
            manage("start_canister")

        return {
            "first": median_ms(lambda: manage("start_canister"), times=1),
            "unchanged": median_ms(lambda: manage("start_canister"), times=15),
            "one_page_changed": median_ms(change_and_manage, times=15),
            "snapshot": median_ms(lambda: manage("take_canister_snapshot"), times=3),
        }


def test_a_checkpoint_costs_what_has_changed_not_what_there_is(tmp_path, capsys):
    without, written = figures(None), figures(tmp_path / "replica")
    report(
        capsys,
        **{f"200_MB_heap_{what}_not_written": without[what] for what in without},
        **{f"200_MB_heap_{what}_written": written[what] for what in written},
    )
    assert written["unchanged"] < written["first"] / 4
    assert written["one_page_changed"] < written["first"] / 4
