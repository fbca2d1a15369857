"""Error codes of the network that mean something to an operation.

Source: dfinity/ic, ``rs/types/error_types``.
"""

from typing import Final

from juno_snap.errors import RejectedError

STOP_TIMED_OUT: Final = "IC0206"
OUT_OF_CYCLES: Final = "IC0207"
INSTALL_RATE_LIMITED: Final = "IC0209"
HEAP_DELTA_LIMITED: Final = "IC0210"
CANISTER_NOT_FOUND: Final = "IC0301"
SNAPSHOT_NOT_FOUND: Final = "IC0305"
REJECTED_BY_CANISTER: Final = "IC0406"
"""With reject code 4 the module's own refusal; it has other causes too."""
TRAPPED: Final = "IC0502"
CALLED_TRAP: Final = "IC0503"
CONTRACT_VIOLATION: Final = "IC0504"
DID_NOT_REPLY: Final = "IC0506"
OUT_OF_MEMORY: Final = "IC0507"
NOT_CONTROLLER: Final = "IC0512"
FUNCTION_NOT_FOUND: Final = "IC0513"
INSTRUCTION_LIMIT: Final = "IC0522"
MEMORY_ACCESS_LIMIT: Final = "IC0524"
COMPOSITE_NOT_REPLICATED: Final = "IC0527"
METHOD_NOT_FOUND: Final = "IC0536"
WASM_MEMORY_LIMIT: Final = "IC0539"
NOT_ALLOWED: Final = "IC0542"

NOT_LOADABLE_YET: Final = "not currently loadable"
"""Part of a text: IC0406 has many causes and only this one passes by itself."""

HEAP_DELTA_TEXT: Final = "heap delta"
"""Part of a text: a chunk upload hides the limit behind IC0504."""


def is_temporary(error: BaseException) -> bool:
    """Whether the network refused something that it will accept a few minutes later."""
    if not isinstance(error, RejectedError):
        return False
    if error.error_code in {INSTALL_RATE_LIMITED, HEAP_DELTA_LIMITED}:
        return True
    return NOT_LOADABLE_YET in error.message or HEAP_DELTA_TEXT in error.message
