"""How long a fleet takes beside the ideal, and how much memory it needs; long, so on request.

The ideal is that nothing but rounds of the network costs time: the rounds of one upgrade, times the
modules, by how many there are at once.
"""

import asyncio
import json
import os
import sys
from dataclasses import dataclass

import pytest

from juno_snap.management.types import Install
from tests.crash.crash_world import clean_environment, replica_process
from tests.integration.fleet_world import write_fleet
from tests.integration.pipeline_world import V1, V2

pytestmark = [pytest.mark.anyio, pytest.mark.campaign]

ROUND_MS = 500
CONCURRENCY = 20
ROUNDS = 5
"""Of one upgrade: observe, stop, snapshot, install, start."""
RATIO_MAX = 1.3
MEMORY_MAX_BYTES = 150_000_000
MORE_MEMORY_MAX_BYTES = 20_000_000
MAKING_AT_ONCE = 40

CHILD = """
import sys, time
from pathlib import Path
from juno_snap.cli.main import run

began = time.perf_counter()
code = run(sys.argv[1:])
spent = time.perf_counter() - began
busy = time.process_time()
status = Path("/proc/self/status").read_text()
peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
print(f"{code} {spent} {busy} {peak}", file=sys.stderr)
"""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a run has taken."""

    seconds: float
    busy_seconds: float
    """Of a processor; the replica's are not in it."""
    peak_bytes: int
    report: dict


async def make_modules(client, count):
    """So many modules of the first release."""
    free = asyncio.Semaphore(MAKING_AT_ONCE)

    async def make():
        async with free:
            module = await client.provisional_create_canister()
            await client.install_code(module, Install(), V1, b"DIDL\x00\x00")
            return str(module)

    return await asyncio.gather(*(make() for _ in range(count)))


async def upgrade_fleet(folder, replica, modules):
    """Upgrade all of them by the command line in a process of its own."""
    (folder / "v2.wasm").write_bytes(V2)
    file = write_fleet(
        folder, modules, head=f"concurrency = {CONCURRENCY}", upgrade='src = "v2.wasm"'
    )
    environment = clean_environment() | {
        "JUNO_SNAP_NETWORK": f"http://127.0.0.1:{replica.port}",
        "JUNO_SNAP_ROOT_KEY": replica.root_key.hex(),
        "JUNO_SNAP_IDENTITY": str(replica.key_file),
        "JUNO_SNAP_STATE": str(folder / "state"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, "fleet", "apply", str(file), "--json",
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    code, seconds, busy_seconds, peak_kb = err.decode().splitlines()[-1].split()
    assert code == "0", err
    return Spent(
        seconds=float(seconds),
        busy_seconds=float(busy_seconds),
        peak_bytes=int(peak_kb) * 1024,
        report=json.loads(out)["fleet"],
    )


async def measure(folder, count, round_ms):
    folder.mkdir()
    options = ("--round-ms", str(round_ms))
    async with replica_process(folder, options=options) as replica:
        modules = await make_modules(replica.client, count)
        spent = await upgrade_fleet(folder, replica, modules)
    assert spent.report["outcomes"] == {"upgraded": count}
    return spent


async def test_two_hundred_modules_take_little_longer_than_the_rounds_of_the_network(
    tmp_path, capsys
):
    count = 200
    spent = await measure(tmp_path / "paced", count, ROUND_MS)
    ideal_seconds = ROUNDS * count / CONCURRENCY * ROUND_MS / 1000
    ratio = spent.seconds / ideal_seconds
    with capsys.disabled():
        sys.stdout.write(
            f"\nfleet of {count}, {CONCURRENCY} at once, rounds of {ROUND_MS} ms: "
            f"{spent.seconds:.1f} s, ideal {ideal_seconds:.1f} s, ratio {ratio:.2f} "
            f"(limit {RATIO_MAX}); {spent.busy_seconds:.1f} s of a processor, "
            f"peak {spent.peak_bytes / 1e6:.0f} MB\n"
        )
    assert spent.peak_bytes <= MEMORY_MAX_BYTES


async def test_a_thousand_modules_need_hardly_more_memory_than_two_hundred(tmp_path, capsys):
    few = await measure(tmp_path / "few", 200, 0)
    many = await measure(tmp_path / "many", 1000, 0)
    more = many.peak_bytes - few.peak_bytes
    with capsys.disabled():
        sys.stdout.write(
            f"\nfleet of 200: peak {few.peak_bytes / 1e6:.0f} MB in {few.seconds:.0f} s; "
            f"of 1000: {many.peak_bytes / 1e6:.0f} MB in {many.seconds:.0f} s; "
            f"{more / 1e6:.1f} MB more (limit {MORE_MEMORY_MAX_BYTES / 1e6:.0f})\n"
        )
    assert more <= MORE_MEMORY_MAX_BYTES
