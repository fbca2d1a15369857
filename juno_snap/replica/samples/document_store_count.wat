;; What version 2 adds to the document store.

(func (export "canister_query count_documents")
  (call $load)
  (call $append (i32.const 88) (i32.const 7))
  (call $append_leb (i64.extend_i32_u (call $live_count)))
  (call $msg_reply))
