"""A canister without a network: what the tests of the Wasm engine run."""

from functools import cache
from pathlib import Path

import platformdirs

from juno_snap.ids import Principal
from juno_snap.replica.execution import (
    Environment,
    InstalledCode,
    Limits,
    Message,
    Outcome,
    compile_module,
    install,
    run_query,
    run_update,
    upgrade,
)
from juno_snap.replica.reject import Reject
from juno_snap.replica.runtime import Engine, wasm_from_text

CACHE = platformdirs.user_cache_path("juno-snap-tests") / "compiled"
WAT = Path(__file__).with_name("wat")
CANISTER = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")
USER = Principal(b"\x01user")
PREFIX = f"Error from Canister {CANISTER}: "
FEW = Limits(
    update_instructions=50_000_000,
    query_instructions=10_000_000,
    install_instructions=500_000_000,
)


@cache
def engine() -> Engine:
    """One engine for all tests of this process; compiled modules stay on disk between runs."""
    return Engine(CACHE)


def wat(name: str) -> bytes:
    """The Wasm of ``tests/replica/wat/{name}.wat``."""
    return wasm_from_text(WAT.joinpath(f"{name}.wat").read_text(encoding="utf-8"))


def environment(**changes: object) -> Environment:
    values: dict[str, object] = {
        "canister_id": CANISTER,
        "controllers": frozenset({USER}),
        "canister_version": 1,
        "status": 1,
        "cycles": 10**12,
        "time_ns": 1_700_000_000_000_000_000,
        "subnet_id": Principal(b"\x01subnet"),
        "root_key_der": b"the root key",
    }
    return Environment(**(values | changes))


class Bench:
    """A canister that is called directly. ``code`` is None until something is installed."""

    def __init__(self, wasm: bytes | None = None, arg: bytes = b"", **changes: object) -> None:
        self.environment = environment(**changes)
        self.code: InstalledCode | None = None
        self.limits = FEW
        if wasm is not None:
            self.install(wasm, arg)

    def install(self, wasm: bytes, arg: bytes = b"") -> Outcome:
        module = compile_module(engine(), wasm, CANISTER)
        self.code, outcome = install(
            module, wasm, self.environment, Message(arg=arg, caller=USER), self.limits
        )
        return outcome

    def upgrade(self, wasm: bytes, arg: bytes = b"", **options: object) -> Outcome:
        module = compile_module(engine(), wasm, CANISTER)
        after = environment(canister_version=self.environment.canister_version + 1)
        self.code, outcome = upgrade(
            self.code,
            module,
            wasm,
            self.environment,
            after,
            Message(arg=arg, caller=USER),
            self.limits,
            **options,
        )
        self.environment = after
        return outcome

    def update(self, method: str, arg: bytes = b"") -> Outcome:
        message = Message(method=method, arg=arg, caller=USER)
        return run_update(self.code, self.environment, message, self.limits)

    def query(self, method: str, arg: bytes = b"") -> Outcome:
        message = Message(method=method, arg=arg, caller=USER)
        return run_query(self.code, self.environment, message, self.limits)

    def reply(self, method: str, arg: bytes = b"") -> bytes:
        """The reply of a query that must not fail."""
        outcome = self.query(method, arg)
        assert outcome.reject is None, outcome.reject.message
        return outcome.reply


def reason(outcome: Outcome) -> tuple[str, str]:
    """Error code and text of a reject, without the canister's name in front."""
    return spelled(outcome.reject)


def spelled(reject: Reject) -> tuple[str, str]:
    assert reject.message.startswith(PREFIX)
    return reject.error_code, reject.message.removeprefix(PREFIX)
