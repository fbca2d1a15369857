"""What a rehearsal takes: 3.5 MB of code on 100 MB of data, as a person runs it."""

import time

import pytest

from juno_snap.events import ignore_events
from juno_snap.management.types import Install
from juno_snap.pipeline.install import install
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.replica.server import run_replica
from tests.bench.figures import report
from tests.bench.large_code import large_functions
from tests.integration.cli_world import run_child
from tests.integration.management_world import OWNER, client_of
from tests.integration.pipeline_world import candidate

PAGES = 1_526
"""100 MB."""


def large_module(release):
    """Code as large as a Satellite, which fills its heap when it is installed first."""
    return wasm_from_text(f"""
    (module (memory {PAGES})
      (func (export "canister_init") (local $at i32)
        (loop $next
          (i64.store (local.get $at) (i64.mul (i64.const -7046029254386353131)
            (i64.extend_i32_u (i32.add (local.get $at) (i32.const 1)))))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br_if $next (i32.lt_u (local.get $at) (i32.const {PAGES * 65_536})))))
      (func (export "canister_pre_upgrade"))
      (func (export "canister_post_upgrade"))
      {large_functions(release)})""")


@pytest.mark.anyio
async def test_a_rehearsal_of_a_large_module_with_much_data(tmp_path, capsys, monkeypatch):
    (tmp_path / "owner.pem").write_bytes(OWNER.to_pem())
    (tmp_path / "owner.pem").chmod(0o600)
    (tmp_path / "new.wasm").write_bytes(large_module(2))
    old = candidate(large_module(1))
    with run_replica() as replica:
        async with client_of(replica) as client:
            module = await client.provisional_create_canister(cycles=10**15)
            await install(client, module, old, Install(), b"", observer=ignore_events)
        monkeypatch.setenv("JUNO_SNAP_NETWORK", replica.url)
        monkeypatch.setenv("JUNO_SNAP_ROOT_KEY", replica.root_key.hex())
        monkeypatch.setenv("JUNO_SNAP_IDENTITY", str(tmp_path / "owner.pem"))
        monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path / "state"))
        monkeypatch.setenv("HOME", str(tmp_path))
        cold_ms = rehearse_ms(module, tmp_path)
        again_ms = rehearse_ms(module, tmp_path)
    report(
        capsys,
        **{
            f"rehearsal_of_{old.size_bytes / 1e6:.1f}_MB_with_100_MB_of_state,_cold": cold_ms,
            "the_same_with_the_compiled_module_kept": again_ms,
        },
    )
    assert old.size_bytes > 3_500_000


def rehearse_ms(module, folder):
    """The time of a whole command, the fetching of the state included."""
    begin = time.perf_counter()
    ran = run_child("rehearse", "--module", module, "-s", folder / "new.wasm", "--json")
    spent_ms = (time.perf_counter() - begin) * 1000
    assert ran.document["rehearsal"]["outcome"] == "passed", ran.err
    assert ran.document["rehearsal"]["memory_before_bytes"] > 100_000_000
    return spent_ms
