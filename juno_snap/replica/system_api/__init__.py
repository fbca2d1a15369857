"""The functions of ``ic0``: what a canister may ask of the platform while it runs.

Pure Python on a ``Session``; how a call gets here from Wasm is for ``juno_snap.replica.runtime``.
Every import of the specification is defined.
"""

from collections.abc import Callable, Mapping
from typing import Final

from juno_snap.replica.system_api import calls, cycles, messages, surroundings
from juno_snap.replica.system_api.signatures import all_signatures

HostFunction = Callable[..., int | None]
"""Takes the session and the arguments, all unsigned; returns an unsigned result, if it has one."""

HOST_FUNCTIONS: Final[Mapping[str, HostFunction]] = {
    **{
        name: getattr(module, name)
        for module in (messages, calls, surroundings, cycles)
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
}
"""The function behind each import, by its name in ``ic0``."""
