"""Units that more than one package needs."""

from typing import Final

NS_PER_MS: Final = 1_000_000
NS_PER_SECOND: Final = 1_000_000_000

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

WASM_PAGE_BYTES: Final = 64 * KIB
"""Size of a Wasm memory page. Source: WebAssembly core specification."""

CHUNK_MAX_BYTES: Final = 1_048_576
"""Largest chunk of a Wasm chunk store. Source: interface specification, ``upload_chunk``."""

SNAPSHOTS_MAX: Final = 10
"""Snapshots a canister may have. Source: developer docs, resource limits."""

INSTALL_INSTRUCTIONS_MAX: Final = 300_000_000_000
"""For all stages of an install or upgrade together. Source: developer docs, resource limits."""

TRILLION_CYCLES: Final = 1_000_000_000_000
