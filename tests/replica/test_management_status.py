"""What the status, the metrics and the log say."""

from juno_snap.replica.candid_types import CANISTER_STATUS_RESULT
from juno_snap.wire.candid import decode_untyped
from tests.replica.subnet_world import module, new_world

WASM = module()


def test_the_status_has_every_field_that_the_icp_cli_wants():
    settings = CANISTER_STATUS_RESULT.by_label["settings"].type.by_label
    metrics = CANISTER_STATUS_RESULT.by_label["memory_metrics"].type.by_label
    assert {
        "minimum_incoming_canister_call_cycles",
        "status_visibility",
        "snapshot_visibility",
        "log_memory_limit",
    } <= settings.keys()
    assert "log_memory_store_size" in metrics


def test_the_parts_of_the_memory_add_up():
    world = new_world()
    canister = world.running(WASM)
    world.manage("upload_chunk", canister_id=canister, chunk=b"chunk")
    snapshot = world.snapshot(canister)
    world.call(canister, "say", b"12345")
    status = world.manage("canister_status", canister_id=canister)
    metrics = status["memory_metrics"]
    assert status["memory_size"] == sum(metrics.values())
    assert metrics["wasm_memory_size"] == 65536
    assert metrics["stable_memory_size"] == 65536
    assert metrics["global_memory_size"] == 12
    assert metrics["wasm_binary_size"] == len(WASM)
    assert metrics["custom_sections_size"] == len(b"service : {}") + len(b"42")
    assert metrics["snapshots_size"] == snapshot["total_size"]
    assert metrics["log_memory_store_size"] == 16 + 5
    assert metrics["canister_history_size"] > 0


def test_memory_and_computing_that_is_set_aside_costs_while_idle():
    world = new_world()

    def burned(**settings):
        canister = world.create(settings=settings)
        return world.manage("canister_status", canister_id=canister)["idle_cycles_burned_per_day"]

    assert burned(memory_allocation=2**30) == 127_000 * 86_400
    assert burned(memory_allocation=2**30, compute_allocation=2) == (
        127_000 * 86_400 + 2 * 10_000_000 * 86_400
    )


def test_the_status_can_be_queried_and_then_says_the_same():
    world = new_world()
    canister = world.running(WASM)
    by_query = world.ask("canister_status", canister_id=canister)
    by_call = world.manage("canister_status", canister_id=canister)
    assert by_call["cycles"] < by_query["cycles"], "a call costs"
    assert by_call | {"cycles": 0} == by_query | {"cycles": 0}


def test_the_log_can_be_fetched():
    world = new_world()
    canister = world.running(WASM)
    world.call(canister, "say", b"one")
    at_ns = world.now_ns
    world.call(canister, "say", b"two")
    records = world.ask("fetch_canister_logs", canister_id=canister)["canister_log_records"]
    assert records[0] == {"idx": 0, "timestamp_nanos": at_ns, "content": b"one"}
    assert [record["content"] for record in records] == [b"one", b"two"]


def test_a_method_without_result_replies_with_no_values():
    world = new_world()
    canister = world.create()
    assert world.manage("start_canister", canister_id=canister) is None
    assert decode_untyped(b"DIDL\0\0") == []
