;; Documents by key, in stable memory, where they survive every upgrade.
;;
;; Stable memory: 0..7 length of all records, records from 16 on. A record: 4 bytes live (1) or
;; replaced (0), 4 bytes length of the key, 4 bytes length of the value, key, value.

(global $used (mut i32) (i32.const 0))

;; Copy all records to DOCUMENTS.
(func $load
  (local $missing i32)
  (global.set $used (i32.const 0))
  (if (i64.eqz (call $stable64_size)) (then (return)))
  (call $stable64_read (i64.const 16) (i64.const 0) (i64.const 8))
  (global.set $used (i32.load (i32.const 16)))
  (local.set $missing (i32.sub
    (i32.shr_u
      (i32.add (i32.add (global.get $DOCUMENTS) (global.get $used)) (i32.const 0xffff))
      (i32.const 16))
    (memory.size)))
  (if (i32.gt_s (local.get $missing) (i32.const 0))
    (then (if (i32.lt_s (memory.grow (local.get $missing)) (i32.const 0)) (then unreachable))))
  (call $stable64_read
    (i64.extend_i32_u (global.get $DOCUMENTS)) (i64.const 16) (i64.extend_i32_u (global.get $used))))

(func $records_end (result i32) (i32.add (global.get $DOCUMENTS) (global.get $used)))
(func $is_live (param $record i32) (result i32) (i32.load (local.get $record)))
(func $key_length (param $record i32) (result i32) (i32.load offset=4 (local.get $record)))
(func $value_length (param $record i32) (result i32) (i32.load offset=8 (local.get $record)))
(func $key (param $record i32) (result i32) (i32.add (local.get $record) (i32.const 12)))
(func $value (param $record i32) (result i32)
  (i32.add (call $key (local.get $record)) (call $key_length (local.get $record))))
(func $next_record (param $record i32) (result i32)
  (i32.add (call $value (local.get $record)) (call $value_length (local.get $record))))

(func $same (param $a i32) (param $b i32) (param $length i32) (result i32)
  (loop $next
    (if (i32.eqz (local.get $length)) (then (return (i32.const 1))))
    (local.set $length (i32.sub (local.get $length) (i32.const 1)))
    (br_if $next (i32.eq
      (i32.load8_u (i32.add (local.get $a) (local.get $length)))
      (i32.load8_u (i32.add (local.get $b) (local.get $length))))))
  (i32.const 0))

;; The live record of a key, or 0.
(func $find (param $address i32) (param $length i32) (result i32)
  (local $record i32)
  (local.set $record (global.get $DOCUMENTS))
  (loop $next
    (if (i32.ge_u (local.get $record) (call $records_end)) (then (return (i32.const 0))))
    (if (i32.and
          (call $is_live (local.get $record))
          (i32.eq (call $key_length (local.get $record)) (local.get $length)))
      (then (if (call $same (call $key (local.get $record)) (local.get $address) (local.get $length))
        (then (return (local.get $record))))))
    (local.set $record (call $next_record (local.get $record)))
    (br $next))
  unreachable)

(func $forget (param $record i32)
  (i32.store (i32.const 16) (i32.const 0))
  (call $stable64_write
    (i64.extend_i32_u
      (i32.add (i32.sub (local.get $record) (global.get $DOCUMENTS)) (i32.const 16)))
    (i64.const 16)
    (i64.const 4)))

(func $live_count (result i32)
  (local $record i32) (local $count i32)
  (local.set $record (global.get $DOCUMENTS))
  (loop $next
    (if (i32.lt_u (local.get $record) (call $records_end))
      (then
        (local.set $count (i32.add (local.get $count) (call $is_live (local.get $record))))
        (local.set $record (call $next_record (local.get $record)))
        (br $next))))
  (local.get $count))

;; Make stable memory large enough for this many bytes.
(func $reserve (param $bytes i64)
  (local $missing i64)
  (local.set $missing (i64.sub
    (i64.shr_u (i64.add (local.get $bytes) (i64.const 0xffff)) (i64.const 16))
    (call $stable64_size)))
  (if (i64.gt_s (local.get $missing) (i64.const 0))
    (then (if (i64.lt_s (call $stable64_grow (local.get $missing)) (i64.const 0))
      (then unreachable)))))

(func (export "canister_update set_document")
  (local $key i32) (local $key_length i32) (local $value i32) (local $value_length i32)
  (local $old i32) (local $place i64)
  (call $open_argument (i32.const 48) (i32.const 8))
  (call $text) (local.set $key_length) (local.set $key)
  (call $text) (local.set $value_length) (local.set $value)
  (call $load)
  (local.set $old (call $find (local.get $key) (local.get $key_length)))
  (if (local.get $old) (then (call $forget (local.get $old))))
  (local.set $place (i64.add (i64.extend_i32_u (global.get $used)) (i64.const 16)))
  (global.set $used (i32.add (global.get $used)
    (i32.add (i32.const 12) (i32.add (local.get $key_length) (local.get $value_length)))))
  (call $reserve (i64.add (i64.extend_i32_u (global.get $used)) (i64.const 16)))
  (i32.store (i32.const 16) (i32.const 1))
  (i32.store (i32.const 20) (local.get $key_length))
  (i32.store (i32.const 24) (local.get $value_length))
  (call $stable64_write (local.get $place) (i64.const 16) (i64.const 12))
  (local.set $place (i64.add (local.get $place) (i64.const 12)))
  (call $stable64_write (local.get $place)
    (i64.extend_i32_u (local.get $key)) (i64.extend_i32_u (local.get $key_length)))
  (local.set $place (i64.add (local.get $place) (i64.extend_i32_u (local.get $key_length))))
  (call $stable64_write (local.get $place)
    (i64.extend_i32_u (local.get $value)) (i64.extend_i32_u (local.get $value_length)))
  (i64.store (i32.const 16) (i64.extend_i32_u (global.get $used)))
  (call $stable64_write (i64.const 0) (i64.const 16) (i64.const 8))
  (call $append (i32.const 32) (i32.const 6))
  (call $msg_reply))

(func (export "canister_query document")
  (local $record i32)
  (call $open_argument (i32.const 40) (i32.const 7))
  (call $load)
  (local.set $record (call $find (call $text)))
  (call $append (i32.const 56) (i32.const 9))
  (call $append_leb (i64.extend_i32_u (i32.ne (local.get $record) (i32.const 0))))
  (if (local.get $record)
    (then (call $append_text
      (call $value (local.get $record)) (call $value_length (local.get $record)))))
  (call $msg_reply))

(func (export "canister_query list_documents")
  (local $record i32)
  (call $load)
  (call $append (i32.const 72) (i32.const 9))
  (call $append_leb (i64.extend_i32_u (call $live_count)))
  (local.set $record (global.get $DOCUMENTS))
  (loop $next
    (if (i32.lt_u (local.get $record) (call $records_end))
      (then
        (if (call $is_live (local.get $record))
          (then (call $append_text
            (call $key (local.get $record)) (call $key_length (local.get $record)))))
        (local.set $record (call $next_record (local.get $record)))
        (br $next))))
  (call $msg_reply))
