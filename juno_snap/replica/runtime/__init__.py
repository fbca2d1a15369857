"""The only part that knows wasmtime: compiling, host calls, and instances over a heap image.

Uses wasmtime's C interface beside the Python one: a host call costs 1 us in place of 8, and what a
call raised is kept with the instance, where the Python interface keeps it once for the process. The
dependency is pinned to one major version for that.
"""

from juno_snap.replica.runtime.engine import CompiledModule, Engine, wasm_from_text
from juno_snap.replica.runtime.instance import EXECUTOR_STACK_BYTES, Instance

__all__ = ["EXECUTOR_STACK_BYTES", "CompiledModule", "Engine", "Instance", "wasm_from_text"]
