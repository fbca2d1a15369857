;; Fields that every sample shares: just enough Candid, by hand.
;;
;; Heap: 0..31 scratch, 32..4095 constants, ARGUMENT from 64 KiB on, DOCUMENTS from 2.25 MiB on.

(import "ic0" "msg_arg_data_size" (func $msg_arg_data_size (result i32)))
(import "ic0" "msg_arg_data_copy" (func $msg_arg_data_copy (param i32 i32 i32)))
(import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
(import "ic0" "msg_reply" (func $msg_reply))
(import "ic0" "trap" (func $trap (param i32 i32)))
(import "ic0" "stable64_size" (func $stable64_size (result i64)))
(import "ic0" "stable64_grow" (func $stable64_grow (param i64) (result i64)))
(import "ic0" "stable64_read" (func $stable64_read (param i64 i64 i64)))
(import "ic0" "stable64_write" (func $stable64_write (param i64 i64 i64)))

(memory 36)
(global $ARGUMENT i32 (i32.const 0x10000))
(global $DOCUMENTS i32 (i32.const 0x240000))

;; Where the next part of the argument begins, and where it ends.
(global $at (mut i32) (i32.const 0))
(global $end (mut i32) (i32.const 0))

(data (i32.const 32) "DIDL\00\00")             ;; ()
(data (i32.const 40) "DIDL\00\01\71")          ;; (text)
(data (i32.const 48) "DIDL\00\02\71\71")       ;; (text, text)
(data (i32.const 56) "DIDL\01\6e\71\01\00")    ;; (opt text)
(data (i32.const 72) "DIDL\01\6d\71\01\00")    ;; (vec text)
(data (i32.const 88) "DIDL\00\01\7d")          ;; (nat)
(data (i32.const 128) "the argument does not have the types of this method")

;; Copy the argument and go behind its types, which must be these bytes.
(func $open_argument (param $types i32) (param $length i32)
  (local $i i32)
  (global.set $at (global.get $ARGUMENT))
  (global.set $end (i32.add (global.get $ARGUMENT) (call $msg_arg_data_size)))
  (call $msg_arg_data_copy (global.get $ARGUMENT) (i32.const 0) (call $msg_arg_data_size))
  (loop $next
    (if (i32.lt_u (local.get $i) (local.get $length))
      (then
        (if (i32.ne (call $byte) (i32.load8_u (i32.add (local.get $types) (local.get $i))))
          (then (call $refuse)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))))

(func $refuse (call $trap (i32.const 128) (i32.const 51)))

(func $byte (result i32)
  (if (i32.ge_u (global.get $at) (global.get $end)) (then (call $refuse)))
  (global.set $at (i32.add (global.get $at) (i32.const 1)))
  (i32.load8_u (i32.sub (global.get $at) (i32.const 1))))

(func $leb (result i32)
  (local $byte i32) (local $value i32) (local $shift i32)
  (loop $next
    (local.set $byte (call $byte))
    (local.set $value (i32.or (local.get $value)
      (i32.shl (i32.and (local.get $byte) (i32.const 0x7f)) (local.get $shift))))
    (local.set $shift (i32.add (local.get $shift) (i32.const 7)))
    (br_if $next (i32.ge_u (local.get $byte) (i32.const 0x80))))
  (local.get $value))

;; Address and length of the next text of the argument.
(func $text (result i32 i32)
  (local $length i32) (local $address i32)
  (local.set $length (call $leb))
  (local.set $address (global.get $at))
  (if (i32.gt_u (local.get $length) (i32.sub (global.get $end) (global.get $at)))
    (then (call $refuse)))
  (global.set $at (i32.add (global.get $at) (local.get $length)))
  (local.get $address) (local.get $length))

(func $append_leb (param $value i64)
  (local $place i32)
  (loop $next
    (i64.store8 (local.get $place) (i64.and (local.get $value) (i64.const 0x7f)))
    (local.set $value (i64.shr_u (local.get $value) (i64.const 7)))
    (if (i64.ne (local.get $value) (i64.const 0))
      (then
        (i32.store8 (local.get $place)
          (i32.or (i32.load8_u (local.get $place)) (i32.const 0x80)))
        (local.set $place (i32.add (local.get $place) (i32.const 1)))
        (br $next))))
  (call $append (i32.const 0) (i32.add (local.get $place) (i32.const 1))))

(func $append_text (param $address i32) (param $length i32)
  (call $append_leb (i64.extend_i32_u (local.get $length)))
  (call $append (local.get $address) (local.get $length)))

(func (export "canister_query version")
  (call $append (i32.const 40) (i32.const 7))
  (call $append_text (global.get $VERSION) (global.get $VERSION_LENGTH))
  (call $msg_reply))
