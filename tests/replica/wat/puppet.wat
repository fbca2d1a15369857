;; Does what its argument says: a program of one-letter steps (see tests/replica/puppet.py).
;; Memory: 0 scratch, 1024 the trace, 65536 the programs, which stay for the callbacks.
(module
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
  (import "ic0" "msg_caller_size" (func $caller_size (result i32)))
  (import "ic0" "msg_caller_copy" (func $caller_copy (param i32 i32 i32)))
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_reject" (func $reject (param i32 i32)))
  (import "ic0" "msg_reject_code" (func $reject_code (result i32)))
  (import "ic0" "msg_reject_msg_size" (func $reject_size (result i32)))
  (import "ic0" "msg_reject_msg_copy" (func $reject_copy (param i32 i32 i32)))
  (import "ic0" "msg_deadline" (func $deadline (result i64)))
  (import "ic0" "msg_cycles_accept" (func $accept (param i64) (result i64)))
  (import "ic0" "msg_cycles_available" (func $available (result i64)))
  (import "ic0" "msg_cycles_refunded" (func $refunded (result i64)))
  (import "ic0" "canister_self_size" (func $self_size (result i32)))
  (import "ic0" "canister_self_copy" (func $self_copy (param i32 i32 i32)))
  (import "ic0" "canister_version" (func $version (result i64)))
  (import "ic0" "performance_counter" (func $counter (param i32) (result i64)))
  (import "ic0" "global_timer_set" (func $timer (param i64) (result i64)))
  (import "ic0" "time" (func $time (result i64)))
  (import "ic0" "debug_print" (func $print (param i32 i32)))
  (import "ic0" "trap" (func $trap (param i32 i32)))
  (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_data_append" (func $call_data (param i32 i32)))
  (import "ic0" "call_on_cleanup" (func $call_cleanup (param i32 i32)))
  (import "ic0" "call_cycles_add128" (func $call_cycles (param i64 i64)))
  (import "ic0" "call_with_best_effort_response" (func $call_timeout (param i32)))
  (import "ic0" "call_perform" (func $call_perform (result i32)))
  (memory (export "memory") 2)
  (table 2 funcref)
  (elem (i32.const 0) $wrong_type $run)
  (global $traced (mut i32) (i32.const 0))
  (global $free (mut i32) (i32.const 65536))
  (global $performed (mut i32) (i32.const 0))
  (global $task (mut i32) (i32.const 0))

  (func $wrong_type (param i32 i32))

  ;; A step's operand: two bytes of length, then the bytes.
  (func $size (param $at i32) (result i32) (i32.load16_u (local.get $at)))
  (func $bytes (param $at i32) (result i32) (i32.add (local.get $at) (i32.const 2)))
  (func $after (param $at i32) (result i32)
    (i32.add (call $bytes (local.get $at)) (call $size (local.get $at))))

  (func $note (param $from i32) (param $size i32)
    (memory.copy
      (i32.add (i32.const 1024) (global.get $traced)) (local.get $from) (local.get $size))
    (global.set $traced (i32.add (global.get $traced) (local.get $size))))
  (func $note_number (param $value i64)
    (i64.store (i32.const 0) (local.get $value))
    (call $note (i32.const 0) (i32.const 8)))
  (func $read_arg
    (call $arg_copy (i32.const 0) (i32.const 0) (call $arg_size)))

  (func $call (param $at i32) (result i32)
    (local $name i32) (local $numbers i32) (local $arg i32)
    (local $on_reply i32) (local $on_reject i32) (local $on_cleanup i32)
    (local.set $name (call $after (local.get $at)))
    (local.set $numbers (call $after (local.get $name)))
    (local.set $arg (i32.add (local.get $numbers) (i32.const 20)))
    (local.set $on_reply (call $after (local.get $arg)))
    (local.set $on_reject (call $after (local.get $on_reply)))
    (local.set $on_cleanup (call $after (local.get $on_reject)))
    (call $call_new
      (call $bytes (local.get $at)) (call $size (local.get $at))
      (call $bytes (local.get $name)) (call $size (local.get $name))
      (i32.load offset=16 (local.get $numbers)) (call $bytes (local.get $on_reply))
      (i32.load offset=16 (local.get $numbers)) (call $bytes (local.get $on_reject)))
    (call $call_data (call $bytes (local.get $arg)) (call $size (local.get $arg)))
    (if (call $size (local.get $on_cleanup))
      (then (call $call_cleanup (i32.const 1) (call $bytes (local.get $on_cleanup)))))
    (if (i64.ne (i64.load (local.get $numbers)) (i64.const 0))
      (then (call $call_cycles (i64.const 0) (i64.load (local.get $numbers)))))
    (if (i32.wrap_i64 (i64.load offset=8 (local.get $numbers)))
      (then (call $call_timeout (i32.wrap_i64 (i64.load offset=8 (local.get $numbers))))))
    (global.set $performed (call $call_perform))
    (call $after (local.get $on_cleanup)))

  (func $run (param $at i32)
    (local $step i32) (local $next i32)
    (loop $steps
      (local.set $step (i32.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (if (i32.eqz (local.get $step)) (then (return)))
      (local.set $next (call $after (local.get $at)))
      (if (i32.eq (local.get $step) (i32.const 99)) ;; c: call
        (then (local.set $at (call $call (local.get $at))) (br $steps)))
      (call $simple (local.get $step) (local.get $at))
      (local.set $at (local.get $next))
      (br $steps)))

  ;; Every other step has one operand, which may be empty.
  (func $simple (param $step i32) (param $at i32)
    (local $from i32) (local $size i32)
    (local.set $from (call $bytes (local.get $at)))
    (local.set $size (call $size (local.get $at)))
    (if (i32.eq (local.get $step) (i32.const 110)) ;; n: note the operand
      (then (call $note (local.get $from) (local.get $size))))
    (if (i32.eq (local.get $step) (i32.const 97)) ;; a: note the argument
      (then (call $read_arg) (call $note (i32.const 0) (call $arg_size))))
    (if (i32.eq (local.get $step) (i32.const 119)) ;; w: note the caller
      (then
        (call $caller_copy (i32.const 0) (i32.const 0) (call $caller_size))
        (call $note (i32.const 0) (call $caller_size))))
    (if (i32.eq (local.get $step) (i32.const 109)) ;; m: note the reject
      (then
        (call $note_number (i64.extend_i32_u (call $reject_code)))
        (call $reject_copy (i32.const 0) (i32.const 0) (call $reject_size))
        (call $note (i32.const 0) (call $reject_size))))
    (if (i32.eq (local.get $step) (i32.const 107)) ;; k: note the reject code
      (then (call $note_number (i64.extend_i32_u (call $reject_code)))))
    (if (i32.eq (local.get $step) (i32.const 114)) ;; r: reply with the operand
      (then (call $append (local.get $from) (local.get $size)) (call $reply)))
    (if (i32.eq (local.get $step) (i32.const 101)) ;; e: reply with the argument
      (then (call $read_arg) (call $append (i32.const 0) (call $arg_size)) (call $reply)))
    (if (i32.eq (local.get $step) (i32.const 111)) ;; o: reply with the trace
      (then (call $append (i32.const 1024) (global.get $traced)) (call $reply)))
    (if (i32.eq (local.get $step) (i32.const 106)) ;; j: reject with the operand
      (then (call $reject (local.get $from) (local.get $size))))
    (if (i32.eq (local.get $step) (i32.const 117)) ;; u: do what cannot be done
      (then unreachable))
    (if (i32.eq (local.get $step) (i32.const 116)) ;; t: trap with the operand
      (then (call $trap (local.get $from) (local.get $size))))
    (if (i32.eq (local.get $step) (i32.const 108)) ;; l: loop for ever
      (then (loop $ever (br $ever))))
    (if (i32.eq (local.get $step) (i32.const 112)) ;; p: print the operand
      (then (call $print (local.get $from) (local.get $size))))
    (if (i32.eq (local.get $step) (i32.const 36)) ;; $: accept so many cycles
      (then (drop (call $accept (i64.load (local.get $from))))))
    (if (i32.eq (local.get $step) (i32.const 118)) ;; v: note available cycles
      (then (call $note_number (call $available))))
    (if (i32.eq (local.get $step) (i32.const 102)) ;; f: note refunded cycles
      (then (call $note_number (call $refunded))))
    (if (i32.eq (local.get $step) (i32.const 120)) ;; x: note whether the last call was queued
      (then (call $note_number (i64.extend_i32_u (global.get $performed)))))
    (if (i32.eq (local.get $step) (i32.const 86)) ;; V: note the canister's version
      (then (call $note_number (call $version))))
    (if (i32.eq (local.get $step) (i32.const 68)) ;; D: note the deadline
      (then (call $note_number (call $deadline))))
    (if (i32.eq (local.get $step) (i32.const 67)) ;; C: note the counter of the whole call
      (then (call $note_number (call $counter (i32.const 1)))))
    (if (i32.eq (local.get $step) (i32.const 103)) ;; g: set the timer, so long from now
      (then
        (drop (call $timer (i64.add (call $time) (i64.load (local.get $from)))))))
    (if (i32.eq (local.get $step) (i32.const 104)) ;; h: what heartbeat, timer and hook do
      (then (global.set $task (local.get $from))))
    (if (i32.eq (local.get $step) (i32.const 43)) ;; +: grow the heap by so many pages
      (then (drop (memory.grow (i32.load8_u (local.get $from)))))))

  (func $begin
    (local $at i32)
    (local.set $at (global.get $free))
    (call $arg_copy (local.get $at) (i32.const 0) (call $arg_size))
    (global.set $free (i32.add (local.get $at) (i32.add (call $arg_size) (i32.const 1))))
    (call $run (local.get $at)))
  (func (export "canister_update run") (call $begin))
  (func (export "canister_query ask") (call $begin))
  (func (export "canister_composite_query compose") (call $begin))
  (func (export "canister_query trace")
    (call $append (i32.const 1024) (global.get $traced)) (call $reply))
  (func $on_task (if (global.get $task) (then (call $run (global.get $task)))))
  ;; MORE
  (@custom "icp:private enhanced-orthogonal-persistence" "")
)
