"""``juno-snap replica``: a local network, here or in the background."""

from pathlib import Path
from typing import Annotated, Final

import typer

from juno_snap.cli.options import CommonOptions, spread
from juno_snap.cli.output import Human
from juno_snap.cli.running import collect_garbage
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts, moment
from juno_snap.errors import InputError
from juno_snap.replica.background import (
    RunningReplica,
    background_status,
    reset_directory,
    start_background,
    stop_background,
)
from juno_snap.replica.faults import parse_fault
from juno_snap.replica.fees import STORAGE_CYCLES_PER_GIB_SECOND
from juno_snap.replica.options import ReplicaOptions
from juno_snap.settings.paths import replica_directory

group: Final = typer.Typer(no_args_is_help=True)

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0: any free one.")]
Directory = Annotated[
    Path | None,
    typer.Option("--dir", help="Where its state is kept. [default: in the state directory]"),
]
RoundMs = Annotated[
    int, typer.Option(min=0, help="Length of a round: the latency of update calls on a network.")
]
RequestLog = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Append one JSON line for each request.")
]
Seed = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Make the keys from this text, the same each time."),
]
Faults = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        metavar="SPEC",
        help="Let something go wrong, e.g. http=503x2@call:install_code. May be repeated.",
    ),
]
RateLimits = Annotated[
    bool,
    typer.Option(
        "--rate-limits/--no-rate-limits",
        help="Refuse large installs and snapshots in quick succession, as a network does.",
    ),
]
LoadableAfter = Annotated[
    int,
    typer.Option(
        "--loadable-after",
        min=0,
        metavar="SECONDS",
        help="Age at which a snapshot can be loaded onto another module.",
    ),
]
StoragePrice = Annotated[
    int, typer.Option(min=0, metavar="CYCLES", help="Price of a GiB of memory for a second.")
]


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the group."""
    app.add_typer(group, name=name, help=line)


@group.command("run")
@spread
def run(
    common: CommonOptions,
    port: Port = 0,
    directory: Directory = None,
    round_ms: RoundMs = 0,
    request_log: RequestLog = None,
    seed: Seed = None,
    faults: Faults = None,
    *,
    rate_limits: RateLimits = False,
    loadable_after: LoadableAfter = 0,
    storage_price: StoragePrice = STORAGE_CYCLES_PER_GIB_SECOND,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Keep nothing.")] = False,
) -> None:
    """Run a local replica here until it is told to end (Ctrl-C)."""
    # The server brings everything that executes Wasm: only this command needs it.
    from juno_snap.replica.server import serve

    session = Session(common)
    if ephemeral and directory:
        raise InputError("--ephemeral keeps nothing: leave --dir away", value=str(directory))
    place = None if ephemeral else directory or replica_directory(session.state)
    options = ReplicaOptions(
        port=port,
        directory=place,
        round_ms=round_ms,
        request_log=request_log,
        seed=seed,
        faults=tuple(map(parse_fault, faults or ())),
        rate_limits=rate_limits,
        snapshot_loadable_after_seconds=loadable_after,
        storage_cycles_per_gib_second=storage_price,
    )
    collect_garbage()
    serve(
        options,
        on_ready=lambda replica: session.output.show(
            {"replica": _document(replica)}, _ready(replica, replica_directory(session.state))
        ),
    )


@group.command("start")
@spread
def start(
    common: CommonOptions,
    port: Port = 0,
    directory: Directory = None,
    round_ms: RoundMs = 0,
    request_log: RequestLog = None,
    seed: Seed = None,
    faults: Faults = None,
    *,
    rate_limits: RateLimits = False,
    loadable_after: LoadableAfter = 0,
    storage_price: StoragePrice = STORAGE_CYCLES_PER_GIB_SECOND,
) -> None:
    """Start a local replica in the background; it is the network "local" from then on."""
    session = Session(common)
    options = ReplicaOptions(
        port=port,
        directory=directory or replica_directory(session.state),
        round_ms=round_ms,
        request_log=request_log,
        seed=seed,
        faults=tuple(map(parse_fault, faults or ())),
        rate_limits=rate_limits,
        snapshot_loadable_after_seconds=loadable_after,
        storage_cycles_per_gib_second=storage_price,
    )
    replica = session.run(start_background(options))
    session.output.show(
        {"replica": _document(replica)}, _ready(replica, replica_directory(session.state))
    )


@group.command("stop")
@spread
def stop(common: CommonOptions, directory: Directory = None) -> None:
    """Stop the replica in the background; its state is kept."""
    session = Session(common)
    place = directory or replica_directory(session.state)
    replica = session.run(stop_background(place))
    session.output.show(
        {"replica": _document(replica), "running": False},
        lambda: facts([("stopped", replica.url), ("state kept in", place)]),
    )


@group.command("status")
@spread
def status(common: CommonOptions, directory: Directory = None) -> None:
    """Whether the replica runs, and how to reach it."""
    session = Session(common)
    place = directory or replica_directory(session.state)
    found = background_status(place)
    replica = found.replica
    document = {
        "running": found.running,
        "directory": str(place),
        "uptime_seconds": found.uptime_seconds,
        "replica": None if replica is None else _document(replica),
    }
    if replica is None:
        session.output.show(document, lambda: facts([("running", False), ("directory", place)]))
    else:
        session.output.show(document, lambda: facts([("running", True), *_rows(replica)]))


@group.command("reset")
@spread
def reset(common: CommonOptions, directory: Directory = None) -> None:
    """Delete the replica's state, with every module in it. It must not run."""
    session = Session(common)
    place = directory or replica_directory(session.state)
    session.confirm(f"delete the local replica in {place} with all its modules?")
    reset_directory(place)
    session.output.show(
        {"reset": True, "directory": str(place)}, lambda: facts([("deleted", place)])
    )


def _document(replica: RunningReplica) -> dict[str, object]:
    return {
        "url": replica.url,
        "port": replica.port,
        "pid": replica.pid,
        "root_key": replica.root_key.hex(),
        "directory": str(replica.directory) if replica.directory else None,
        "started_at_ns": replica.started_at_ns,
    }


def _rows(replica: RunningReplica) -> list[tuple[str, object]]:
    return [
        ("url", replica.url),
        ("root key", replica.root_key.hex()),
        ("pid", replica.pid),
        ("directory", replica.directory or "none: nothing is kept"),
        ("since", moment(replica.started_at_ns)),
    ]


def _ready(replica: RunningReplica, usual: Path) -> Human:
    """What a person needs to use it."""
    by_url = f"juno-snap COMMAND -n {replica.url} --root-key {replica.root_key.hex()}"
    by_name = "juno-snap COMMAND -n local"
    here = by_name if replica.directory == usual else by_url
    rows = [*_rows(replica), ("use it", here), ("icp", f"icp COMMAND -n {replica.url} -k fetch")]
    return lambda: facts(rows)
