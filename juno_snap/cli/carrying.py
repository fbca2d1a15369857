"""Settings of this process for commands that carry much between the network and the disk."""

import ctypes
import sys
from typing import Final

from juno_snap.units import MIB

SWITCH_SECONDS: Final = 0.0005
"""How long a thread keeps the interpreter from one that asks for it; a tenth of the usual time."""

ALLOCATION: Final = {
    -8: 1,  # M_ARENA_MAX: one store of free memory, not one for each thread
    -3: 32 * MIB,  # M_MMAP_THRESHOLD: blocks below it come from that store
    -1: 16 * MIB,  # M_TRIM_THRESHOLD: so much of it is kept
}
"""For ``mallopt`` of glibc, by the numbers of its ``malloc.h``."""


def prepare_to_carry() -> None:
    """Let threads come between each other sooner, and use memory again that is free.

    Each slice passes through three threads, in several blocks of 2 MB. Usually such a block goes
    back to the system when it is free, and the next one is made of empty pages again: that was a
    quarter of the time of a download of 200 MB on two cores.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other libraries than glibc have none
    if mallopt is not None:
        for parameter, value in ALLOCATION.items():
            mallopt(parameter, value)
