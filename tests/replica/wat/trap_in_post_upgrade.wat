(module
  (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
  (memory 1)
  (func (export "canister_post_upgrade") (drop (call $grow (i64.const 1))) unreachable))
