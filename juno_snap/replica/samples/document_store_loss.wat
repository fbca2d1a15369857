;; What is wrong with version 3: its upgrade goes well and loses the oldest document.

(func (export "canister_post_upgrade")
  (local $record i32)
  (call $load)
  (local.set $record (global.get $DOCUMENTS))
  (loop $next
    (if (i32.lt_u (local.get $record) (call $records_end))
      (then
        (if (call $is_live (local.get $record)) (then (call $forget (local.get $record)) (return)))
        (local.set $record (call $next_record (local.get $record)))
        (br $next)))))
