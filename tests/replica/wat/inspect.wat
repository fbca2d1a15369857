;; Lets in what has an argument; traps where the name of the method has five letters.
(module
  (import "ic0" "accept_message" (func $accept))
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
  (import "ic0" "msg_method_name_size" (func $name_size (result i32)))
  (import "ic0" "msg_reply" (func $reply))
  (memory 1)
  (func (export "canister_inspect_message")
    (if (i32.eq (call $name_size) (i32.const 5)) (then unreachable))
    (if (call $arg_size) (then (call $accept))))
  (func (export "canister_update ping") (call $reply)))
