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
NOT_CONTROLLER: Final = "IC0512"
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
