"""Every function a module may import from ``ic0``: its type, and where it may be called.

Source: interface specification, "Overview of imports". ``I`` is the width of a pointer. A context
is written with the specification's letters, and ``*`` is every context but the start function.
"""

from enum import Enum
from functools import cache
from typing import Final, NamedTuple


class Context(Enum):
    """What kind of function of a canister runs. The value is its name in the network's errors."""

    START = "start"
    INIT = "init"
    PRE_UPGRADE = "pre upgrade"
    UPDATE = "update"
    REPLICATED_QUERY = "replicated query"
    QUERY = "non-replicated query"
    COMPOSITE_QUERY = "composite query"
    INSPECT_MESSAGE = "inspect message"
    REPLY_CALLBACK = "reply callback"
    REJECT_CALLBACK = "reject callback"
    CLEANUP = "cleanup"
    COMPOSITE_REPLY_CALLBACK = "composite reply callback"
    COMPOSITE_REJECT_CALLBACK = "composite reject callback"
    COMPOSITE_CLEANUP = "composite cleanup"
    SYSTEM_TASK = "system task"


class Signature(NamedTuple):
    """A function's value types, such as ``i32``, and the contexts that may call it."""

    params: tuple[str, ...]
    results: tuple[str, ...]
    contexts: frozenset[Context]


LETTERS: Final = {
    "s": Context.START,
    "I": Context.INIT,
    "G": Context.PRE_UPGRADE,
    "U": Context.UPDATE,
    "RQ": Context.REPLICATED_QUERY,
    "NRQ": Context.QUERY,
    "CQ": Context.COMPOSITE_QUERY,
    "F": Context.INSPECT_MESSAGE,
    "Ry": Context.REPLY_CALLBACK,
    "Rt": Context.REJECT_CALLBACK,
    "C": Context.CLEANUP,
    "CRy": Context.COMPOSITE_REPLY_CALLBACK,
    "CRt": Context.COMPOSITE_REJECT_CALLBACK,
    "CC": Context.COMPOSITE_CLEANUP,
    "T": Context.SYSTEM_TASK,
}

_TABLE: Final = """
msg_arg_data_size                 ->I               I U RQ NRQ CQ Ry CRy F
msg_arg_data_copy                 I,I,I->           I U RQ NRQ CQ Ry CRy F
msg_caller_size                   ->I               *
msg_caller_copy                   I,I,I->           *
msg_caller_info_data_size         ->I               U RQ NRQ CQ Ry Rt CRy CRt C CC F
msg_caller_info_data_copy         I,I,I->           U RQ NRQ CQ Ry Rt CRy CRt C CC F
msg_caller_info_signer_size       ->I               U RQ NRQ CQ Ry Rt CRy CRt C CC F
msg_caller_info_signer_copy       I,I,I->           U RQ NRQ CQ Ry Rt CRy CRt C CC F
msg_reject_code                   ->i32             Ry Rt CRy CRt C
msg_reject_msg_size               ->I               Rt CRt
msg_reject_msg_copy               I,I,I->           Rt CRt
msg_deadline                      ->i64             U RQ NRQ CQ Ry Rt CRy CRt
msg_reply_data_append             I,I->             U RQ NRQ CQ Ry Rt CRy CRt
msg_reply                         ->                U RQ NRQ CQ Ry Rt CRy CRt
msg_reject                        I,I->             U RQ NRQ CQ Ry Rt CRy CRt
msg_cycles_available128           I->               U RQ Rt Ry
msg_cycles_refunded128            I->               Rt Ry
msg_cycles_accept128              i64,i64,I->       U RQ Rt Ry
cycles_burn128                    i64,i64,I->       I G U RQ Ry Rt C T
canister_self_size                ->I               *
canister_self_copy                I,I,I->           *
subnet_self_size                  ->I               *
subnet_self_copy                  I,I,I->           *
canister_cycle_balance128         I->               *
canister_liquid_cycle_balance128  I->               *
canister_status                   ->i32             *
canister_version                  ->i64             *
msg_method_name_size              ->I               F
msg_method_name_copy              I,I,I->           F
accept_message                    ->                F
call_new                          I,I,I,I,I,I,I,I-> U CQ Ry Rt CRy CRt T
call_on_cleanup                   I,I->             U CQ Ry Rt CRy CRt T
call_data_append                  I,I->             U CQ Ry Rt CRy CRt T
call_with_best_effort_response    i32->             U CQ Ry Rt CRy CRt T
call_cycles_add128                i64,i64->         U Ry Rt T
call_perform                      ->i32             U CQ Ry Rt CRy CRt T
stable64_size                     ->i64             * s
stable64_grow                     i64->i64          * s
stable64_write                    i64,i64,i64->     * s
stable64_read                     i64,i64,i64->     * s
root_key_size                     ->I               I G U RQ Ry Rt C T
root_key_copy                     I,I,I->           I G U RQ Ry Rt C T
certified_data_set                I,I->             I G U Ry Rt T
data_certificate_present          ->i32             *
data_certificate_size             ->I               NRQ CQ
data_certificate_copy             I,I,I->           NRQ CQ
time                              ->i64             *
global_timer_set                  i64->i64          I G U Ry Rt C T
performance_counter               i32->i64          * s
is_controller                     I,I->i32          * s
in_replicated_execution           ->i32             * s
cost_call                         i64,i64,I->       * s
cost_create_canister              I->               * s
cost_http_request                 i64,i64,I->       * s
cost_sign_with_ecdsa              I,I,i32,I->i32    * s
cost_sign_with_schnorr            I,I,i32,I->i32    * s
cost_vetkd_derive_key             I,I,i32,I->i32    * s
env_var_count                     ->I               *
env_var_name_size                 I->I              *
env_var_name_copy                 I,I,I,I->         *
env_var_name_exists               I,I->i32          *
env_var_value_size                I,I->I            *
env_var_value_copy                I,I,I,I,I->       *
debug_print                       I,I->             * s
trap                              I,I->             * s
"""

_TABLE_32: Final = """
msg_cycles_available              ->i64             U RQ Rt Ry
msg_cycles_refunded               ->i64             Rt Ry
msg_cycles_accept                 i64->i64          U RQ Rt Ry
canister_cycle_balance            ->i64             *
call_cycles_add                   i64->             U Ry Rt T
stable_size                       ->i32             * s
stable_grow                       i32->i32          * s
stable_write                      i32,i32,i32->     * s
stable_read                       i32,i32,i32->     * s
"""
"""Deprecated; a module with a 64-bit memory cannot import them."""


def signature_of(name: str, pointer_type: str) -> Signature | None:
    """The signature of ``ic0.{name}`` in a module with such pointers; None: it does not exist."""
    return all_signatures(pointer_type).get(name)


@cache
def all_signatures(pointer_type: str) -> dict[str, Signature]:
    """Every function that a module with such pointers, ``i32`` or ``i64``, may import."""
    table = _TABLE + (_TABLE_32 if pointer_type == "i32" else "")
    return dict(_parse(line, pointer_type) for line in table.split("\n") if line)


def _parse(line: str, pointer_type: str) -> tuple[str, Signature]:
    name, function_type, *letters = line.split()
    params, results = (
        tuple(pointer_type if part == "I" else part for part in side.split(",") if part)
        for side in function_type.split("->")
    )
    contexts = {LETTERS[letter] for letter in letters if letter != "*"}
    if "*" in letters:
        contexts |= set(Context) - {Context.START}
    return name, Signature(params, results, frozenset(contexts))
