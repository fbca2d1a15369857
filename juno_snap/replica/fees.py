"""What things cost in cycles, on an application subnet of 13 nodes.

Figures and sums only; whose cycles they are taken from is for ``accounts``. Source: developer docs,
"Cycles costs"; dfinity/ic, ``rs/config/src/subnet_config.rs`` and ``rs/cycles_account_manager``.
"""

from typing import Final

from juno_snap.units import GIB

STORAGE_CYCLES_PER_GIB_SECOND: Final = 127_000
"""The documented price. The newest replica asks 317,500, and 10,000 a second for each canister."""

COMPUTE_CYCLES_PER_PERCENT_SECOND: Final = 10_000_000
SECONDS_PER_DAY: Final = 86_400

INGRESS_MESSAGE_CYCLES: Final = 1_200_000
INGRESS_BYTE_CYCLES: Final = 2_000

UPDATE_MESSAGE_CYCLES: Final = 5_000_000
"""For each message that is executed, whatever it does."""

INSTRUCTION_CYCLES_32: Final = 1
INSTRUCTION_CYCLES_64: Final = 2
"""An instruction of a canister with a 32-bit or a 64-bit memory. What the management canister does
itself costs as much as the former."""

UPLOAD_CHUNK_INSTRUCTIONS: Final = 200_000_000
SNAPSHOT_INSTRUCTIONS: Final = 2_000_000_000
"""For taking, loading or beginning to upload a snapshot, beside one for each byte of its size."""

SNAPSHOT_DATA_INSTRUCTIONS: Final = 5_000_000
"""For reading from a snapshot, beside one for each byte that is asked for."""

COMPILE_INSTRUCTIONS: Final = 6_000
"""For each instruction of a module. Source: dfinity/ic, ``rs/config/src/embedders.rs``."""

CODE_BYTES_PER_TEN_INSTRUCTIONS: Final = 21
"""An estimate: counted in Motoko and Rust modules of 0.25 to 6.5 MB, which have 20.8 to 21.5."""


def ingress_cycles(size_bytes: int) -> int:
    """For a message of a user of that size, its signature included."""
    return INGRESS_MESSAGE_CYCLES + INGRESS_BYTE_CYCLES * size_bytes


def execution_cycles(instructions: int, *, is_64_bit: bool) -> int:
    """For a message that uses so many instructions."""
    price = INSTRUCTION_CYCLES_64 if is_64_bit else INSTRUCTION_CYCLES_32
    return UPDATE_MESSAGE_CYCLES + price * instructions


def compile_instructions(code_bytes: int) -> int:
    """What counts as executed when a module with a code section of that size is compiled."""
    return COMPILE_INSTRUCTIONS * (code_bytes * 10 // CODE_BYTES_PER_TEN_INSTRUCTIONS)


def storage_cycles_per_day(memory_bytes: int, *, cycles_per_gib_second: int) -> int:
    """For memory that is used or set aside."""
    return memory_bytes * cycles_per_gib_second * SECONDS_PER_DAY // GIB


def compute_cycles_per_day(percent: int) -> int:
    """For computing that is set aside."""
    return percent * COMPUTE_CYCLES_PER_PERCENT_SECOND * SECONDS_PER_DAY
