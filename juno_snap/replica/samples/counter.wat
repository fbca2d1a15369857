;; A number in stable memory.

(func $read (result i64)
  (if (result i64) (i64.eqz (call $stable64_size))
    (then (i64.const 0))
    (else
      (call $stable64_read (i64.const 16) (i64.const 0) (i64.const 8))
      (i64.load (i32.const 16)))))

(func $reply (param $value i64)
  (call $append (i32.const 88) (i32.const 7))
  (call $append_leb (local.get $value))
  (call $msg_reply))

(func (export "canister_query read") (call $reply (call $read)))

(func (export "canister_update increment")
  (local $value i64)
  (local.set $value (i64.add (call $read) (i64.const 1)))
  (if (i64.eqz (call $stable64_size)) (then (drop (call $stable64_grow (i64.const 1)))))
  (i64.store (i32.const 16) (local.get $value))
  (call $stable64_write (i64.const 0) (i64.const 16) (i64.const 8))
  (call $reply (local.get $value)))
