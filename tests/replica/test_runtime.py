"""Compiling, the cache, and what one instance can and cannot do."""

import threading

import pytest

from juno_snap.replica.execution import Limits
from juno_snap.replica.execution.code import GlobalValue, pack_globals, unpack_globals
from juno_snap.replica.instrument import InvalidWasmError
from juno_snap.replica.runtime import EXECUTOR_STACK_BYTES, Engine, Instance, wasm_from_text
from juno_snap.replica.traps import ExecutionError
from tests.replica.engine import Bench, engine, reason, wat


def test_a_compiled_module_is_kept_while_it_is_used():
    compiled = engine().compile(wat("state"))
    assert engine().compile(wat("state")) is compiled


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "compiled"


def test_machine_code_is_kept_on_disk_for_its_owner_only(cache):
    Engine(cache).compile(wat("state"))
    (kept,) = cache.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    before = kept.stat().st_mtime_ns
    Engine(cache).compile(wat("state"))
    assert [path.stat().st_mtime_ns for path in cache.iterdir()] == [before]


def test_damaged_machine_code_is_compiled_again(cache):
    Engine(cache).compile(wat("state"))
    (kept,) = cache.iterdir()
    kept.write_bytes(b"damaged")
    Engine(cache).compile(wat("state"))
    assert kept.stat().st_size > 1000


def test_modules_that_differ_share_nothing_on_disk(cache):
    for name in ("state", "hooks"):
        Engine(cache).compile(wat(name))
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(module (func (result i32) i64.const 1))", id="ill-typed"),
        pytest.param("(module (memory 1 1 shared))", id="threads"),
        pytest.param("(module (tag))", id="exceptions"),
        pytest.param("(module (global i32 (i32.add (i32.const 1) (i32.const 1))))", id="extended"),
        pytest.param(
            "(module (func (result v128) (i32x4.relaxed_trunc_f32x4_s (v128.const i64x2 0 0))))",
            id="relaxed vectors",
        ),
    ],
)
def test_code_that_the_network_does_not_run_is_refused(text):
    with pytest.raises(InvalidWasmError):
        engine().compile(wasm_from_text(text))


def test_why_code_is_invalid_is_said_with_offsets_into_the_module_as_it_was():
    wasm = wasm_from_text("(module (global (mut i32) (i32.const 0)) (func (result i32) nop))")
    with pytest.raises(InvalidWasmError) as refused:
        engine().compile(wasm)
    assert refused.value.reason.startswith("Wasmtime failed to validate wasm module")
    offset = int(refused.value.reason.rsplit("offset 0x", 1)[1].split(")")[0], 16)
    assert offset < len(wasm)


def test_text_that_is_no_wasm_says_where():
    with pytest.raises(ValueError, match="1:9"):
        wasm_from_text("(module bad)")


def test_the_same_message_uses_the_same_instructions():
    used = {Bench(wat("state")).update("put", bytes(8)).instructions for _ in range(3)}
    assert len(used) == 1


def test_globals_of_every_type_are_saved_and_restored():
    text = """(module (import "ic0" "msg_reply" (func $reply))
      (global $a (mut i32) (i32.const -1)) (global $b (mut i64) (i64.const -2))
      (global $c (mut f32) (f32.const 0.25)) (global $d (mut f64) (f64.const -0.1))
      (global $e (mut v128) (v128.const i64x2 3 4))
      (func (export "canister_update step")
        (global.set $a (i32.add (global.get $a) (i32.const 1)))
        (global.set $b (i64.add (global.get $b) (i64.const 1)))
        (global.set $c (f32.add (global.get $c) (f32.const 1)))
        (global.set $d (f64.add (global.get $d) (f64.const 1)))
        (global.set $e (i64x2.add (global.get $e) (v128.const i64x2 1 1)))
        (call $reply)))"""
    bench = Bench(wasm_from_text(text))
    for _ in range(2):
        assert bench.update("step").reject is None
    values = bench.code.globals
    assert values == (
        GlobalValue("i32", 1),
        GlobalValue("i64", 0),
        GlobalValue("f32", 2.25),
        GlobalValue("f64", 1.9),
        GlobalValue("v128", 6 << 64 | 5),
    )
    assert unpack_globals(bench.code.global_types, pack_globals(values)) == values


def test_a_module_may_have_as_many_globals_as_the_network_allows():
    text = "(module" + "(global (mut i64) (i64.const 9))" * 1000 + ")"
    assert Bench(wasm_from_text(text)).code.globals == (GlobalValue("i64", 9),) * 1000


@pytest.mark.parametrize(
    ("width", "most_pages"), [("i32", 65_536), ("i64", 98_304)], ids=["4 GiB", "6 GiB"]
)
def test_a_heap_grows_to_the_networks_limit_and_no_further(width, most_pages):
    text = f"""(module (import "ic0" "msg_reply" (func $reply))
      (import "ic0" "msg_reply_data_append" (func $append (param {width} {width})))
      (memory {width} 1)
      (func (export "canister_query grow")
        ({width}.store ({width}.const 0) (memory.grow ({width}.const {most_pages})))
        ({width}.store ({width}.const 8) (memory.grow ({width}.const {most_pages - 1})))
        (call $append ({width}.const 0) ({width}.const 16)) (call $reply)))"""
    reply = Bench(wasm_from_text(text)).reply("grow")
    refused = b"\xff" * (8 if width == "i64" else 4)
    assert reply == refused.ljust(8, b"\0") + (1).to_bytes(8, "little")


def test_nan_has_one_bit_pattern():
    text = """(module (import "ic0" "msg_reply" (func $reply))
      (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
      (memory 1)
      (func (export "canister_query nan")
        (f32.store (i32.const 0)
          (f32.add (f32.reinterpret_i32 (i32.const 0x7fc12345)) (f32.load (i32.const 4))))
        (call $append (i32.const 0) (i32.const 4)) (call $reply)))"""
    assert Bench(wasm_from_text(text)).reply("nan") == (0x7FC00000).to_bytes(4, "little")


def test_a_data_segment_outside_the_memory_fails_the_installation():
    with (
        pytest.raises(ExecutionError) as trapped,
        Instance(
            engine().compile(wasm_from_text('(module (memory 1) (data (i32.const 65536) "x"))')),
            instructions=1000,
        ),
    ):
        pass
    assert trapped.value.text == "Canister trapped: heap out of bounds"


def test_the_deepest_stack_that_is_allowed_fits_on_the_executors_thread():
    # A Wasm stack above the size of wasmtime's other stack aborts the process: it is still there.
    bench = Bench(wat("state"))
    outcomes = []
    threading.stack_size(EXECUTOR_STACK_BYTES)
    try:
        thread = threading.Thread(target=lambda: outcomes.append(bench.update("sink")))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(0)
    assert reason(outcomes[0]) == ("IC0502", "Canister trapped: stack overflow")


def test_the_canisters_stack_has_5_mib():
    text = """(module (import "ic0" "msg_reply" (func $reply))
      (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
      (memory 1)
      (func $down (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
          (else (i32.const 0))))
      (func (export "canister_update down")
        (call $copy (i32.const 0) (i32.const 0) (i32.const 4))
        (drop (call $down (i32.load (i32.const 0)))) (call $reply)))"""
    bench = Bench(wasm_from_text(text))
    frame_bytes = 32
    fits = 3 * 1024 * 1024 // frame_bytes
    too_deep = 6 * 1024 * 1024 // frame_bytes
    assert bench.update("down", fits.to_bytes(4, "little")).reject is None
    assert bench.update("down", too_deep.to_bytes(4, "little")).reject is not None


def test_two_threads_that_fail_at_once_keep_their_own_failures():
    text = """(module (import "ic0" "trap" (func $trap (param i32 i32)))
      (memory 1) (data (i32.const 0) "{name}")
      (func (export "canister_update fail") (local i32)
        (loop $spin
          (local.set 0 (i32.add (local.get 0) (i32.const 1)))
          (br_if $spin (i32.lt_u (local.get 0) (i32.const 20000))))
        (call $trap (i32.const 0) (i32.const 4))))"""
    told = {"left": set(), "rght": set()}
    benches = {name: Bench(wasm_from_text(text.replace("{name}", name))) for name in told}

    def fail(name):
        for _ in range(300):
            told[name].add(reason(benches[name].update("fail"))[1])

    threads = [threading.Thread(target=fail, args=[name]) for name in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == {name: {f"Canister called `ic0.trap` with message: '{name}'"} for name in told}


def test_the_limits_are_the_networks():
    limits = Limits()
    assert limits.update_instructions == 40_000_000_000
    assert limits.query_instructions == 5_000_000_000
    assert limits.install_instructions == 300_000_000_000
    assert limits.inspect_instructions == 200_000_000


def test_an_error_of_ours_in_a_host_call_is_not_taken_for_a_trap():
    def broken():
        raise RuntimeError("a bug")

    text = """(module (import "ic0" "data_certificate_size" (func $size (result i32)))
      (func (export "canister_query ask") (drop (call $size))))"""
    bench = Bench(wasm_from_text(text), data_certificate=broken)
    with pytest.raises(RuntimeError, match="a bug"):
        bench.query("ask")
