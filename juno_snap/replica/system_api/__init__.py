"""The functions of ``ic0``: what a canister may ask of the platform while it runs.

Pure Python on a ``Session``; how a call gets here from Wasm is for ``juno_snap.replica.runtime``.
Every import of the specification is defined. Calls to other canisters end in a clear error; nothing
runs a callback, a heartbeat or a timer yet.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from juno_snap.replica.system_api import cycles, messages, surroundings
from juno_snap.replica.system_api.signatures import all_signatures

HostFunction = Callable[..., int | None]
"""Takes the session and the arguments, all unsigned; returns an unsigned result, if it has one."""

_CALLS: Final = (
    "call_new",
    "call_on_cleanup",
    "call_data_append",
    "call_with_best_effort_response",
    "call_cycles_add128",
    "call_cycles_add",
    "call_perform",
    "msg_reject_code",
    "msg_reject_msg_size",
    "msg_reject_msg_copy",
)

HOST_FUNCTIONS: Final[Mapping[str, HostFunction]] = {
    **{
        name: getattr(module, name)
        for module in (messages, surroundings, cycles)
        for name in all_signatures("i32")
        if hasattr(module, name)
    },
    **{
        f"msg_caller_info_{part}_{verb}": function
        for part in ("data", "signer")
        for verb, function in (
            ("size", messages.caller_info_size),
            ("copy", messages.caller_info_copy),
        )
    },
    "msg_cycles_available": cycles.no_cycles,
    "msg_cycles_refunded": cycles.no_cycles,
    "msg_cycles_available128": cycles.no_cycles128,
    "msg_cycles_refunded128": cycles.no_cycles128,
    **{name: partial(cycles.unsupported_call, name) for name in _CALLS},
}
"""The function behind each import, by its name in ``ic0``."""
