"""A module that spends: instructions, memory and cycles, with a 32-bit or a 64-bit memory."""

from functools import cache

from juno_snap.replica.runtime import wasm_from_text

_TEXT = """
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param I I)))
  (import "ic0" "canister_cycle_balance128" (func $balance (param I)))
  (import "ic0" "canister_liquid_cycle_balance128" (func $liquid (param I)))
  (import "ic0" "cycles_burn128" (func $burn (param i64 i64 I)))
  (import "ic0" "stable64_grow" (func $stable_grow (param i64) (result i64)))
  (memory M 1)
  (func $spin (param $times i64)
    (loop $again
      (local.set $times (i64.sub (local.get $times) (i64.const 1)))
      (br_if $again (i64.ne (local.get $times) (i64.const 0)))))
  (func (export "canister_init") INIT)
  (func (export "canister_post_upgrade") INIT)
  (func (export "canister_update nothing") (call $reply))
  (func (export "canister_query nothing_much") (call $reply))
  (func (export "canister_update spin") (call $spin (i64.const 1000000)) (call $reply))
  (func (export "canister_update spin_and_trap") (call $spin (i64.const 1000000)) unreachable)
  (func (export "canister_update balances")
    (call $balance (I.const 0)) (call $liquid (I.const 16))
    (call $append (I.const 0) (I.const 32)) (call $reply))
  (func (export "canister_update burn")
    (call $burn (i64.const 0) (i64.const 1000000000) (I.const 0))
    (call $append (I.const 0) (I.const 16)) (call $reply))
  (func (export "canister_update burn_all")
    (call $burn (i64.const 1) (i64.const 0) (I.const 0)) (call $reply))
  (func (export "canister_update grow_heap")
    (drop (memory.grow (I.const 160))) (call $reply))
  (func (export "canister_update grow_stable")
    (drop (call $stable_grow (i64.const 160))) (call $reply))
  (func (export "canister_update write")
    (memory.fill (I.const 0) (i32.const 7) (I.const 65536)) (call $reply))
)
"""

GROWTH_BYTES = 160 * 65536
"""What both kinds of growth add."""


@cache
def metered(*, is_64_bit: bool = False, init: str = "") -> bytes:
    """The module; ``init`` is what it does when it is installed or upgraded."""
    pointer = "i64" if is_64_bit else "i32"
    text = _TEXT.replace("(memory M", f"(memory {'i64 ' if is_64_bit else ''}")
    text = text.replace("param I I", f"param {pointer} {pointer}").replace(" I)", f" {pointer})")
    return wasm_from_text(text.replace("I.const", f"{pointer}.const").replace("INIT", init))
