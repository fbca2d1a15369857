(module
  (import "ic0" "trap" (func $trap (param i32 i32)))
  (import "ic0" "debug_print" (func $print (param i32 i32)))
  (memory 1) (data (i32.const 0) "about to fail")
  (func (export "canister_init")
    (call $print (i32.const 0) (i32.const 8)) (call $trap (i32.const 9) (i32.const 4))))
