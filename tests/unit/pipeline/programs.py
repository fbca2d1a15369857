"""Programs to be carried out in tests, and the calls of their steps."""

from juno_snap.pipeline.journal.records import CallRecord
from juno_snap.pipeline.program import Before, InstallChange, LoadChange, Program, Save
from juno_snap.pipeline.request import Patience
from juno_snap.units import NS_PER_SECOND
from tests.unit.pipeline.values import CALLER, MODULE, OLD_HASH, snapshot_id

NEW_HASH = b"\x0b" * 32
LOADED_HASH = b"\x0c" * 32
BEGIN_NS = 1_800_000_000 * NS_PER_SECOND
PATIENCE = Patience(
    pause_seconds=5,
    stopped_seconds=10,
    serving_seconds=60,
    serving_pause_seconds=30,
    load_seconds=15,
)


def before(**changes):
    values = {
        "status": "running",
        "module_hash": OLD_HASH,
        "controllers": (CALLER,),
        "snapshots": (snapshot_id(0),),
        "last_install_at_ns": 500,
    }
    return Before(**{**values, **changes})


def install_change(**changes):
    values = {"wasm_name": "new.wasm", "wasm_sha256": NEW_HASH, "arg_sha256": b"\x00" * 32}
    return InstallChange(**{**values, **changes})


def upgrade_program(**changes):
    """An upgrade with a snapshot and a way back, without checks."""
    values = {
        "kind": "upgrade",
        "module": MODULE,
        "before": before(),
        "sends_stop": True,
        "sends_start": True,
        "stop_timeout_seconds": 60.0,
        "save": Save(purpose="upgrade"),
        "change": install_change(),
        "goes_back": True,
        "patience": PATIENCE,
    }
    return Program(**{**values, **changes})


def restore_program(**changes):
    values = {
        "kind": "restore",
        "save": Save(purpose="safety"),
        "change": LoadChange(snapshot=snapshot_id(0)),
        "goes_back": False,
    }
    return upgrade_program(**{**values, **changes})


def create_program(**changes):
    values = {"kind": "snapshot", "save": Save(purpose="user"), "change": None, "goes_back": False}
    return upgrade_program(**{**values, **changes})


def call_record(number, state="open", certified_at_ns=None):
    return CallRecord(
        request_id=number.to_bytes(32, "big"),
        canister_id=MODULE,
        effective_canister_id=MODULE,
        method="m",
        expires_at_ns=BEGIN_NS,
        signed_after_ns=0,
        state=state,
        certified_at_ns=certified_at_ns,
        body=b"x" if state == "open" else None,
    )
