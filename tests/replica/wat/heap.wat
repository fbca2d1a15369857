;; A heap of 200 MB, all of it in use: what large modules cost.
(module
  (import "ic0" "msg_reply" (func $reply))
  (memory (export "memory") 3200)
  (func (export "canister_init")
    (memory.fill (i32.const 0) (i32.const 7) (i32.const 209715200)))
  (func (export "canister_update nothing") (call $reply))
  (func (export "canister_update touch")
    (i32.store (i32.const 100000000) (i32.add (i32.load (i32.const 100000000)) (i32.const 1)))
    (call $reply))
  (func (export "canister_update trap")
    (i32.store (i32.const 100000000) (i32.const 0))
    unreachable))
