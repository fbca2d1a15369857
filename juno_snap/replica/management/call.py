"""One management call while it runs: where it came from and what it may touch."""

from dataclasses import dataclass
from typing import final

from juno_snap.ids import Principal
from juno_snap.replica.management.arguments import Arguments
from juno_snap.replica.reject import Reject
from juno_snap.replica.rules import DEFAULT_RULES, Rules
from juno_snap.replica.runtime import Engine
from juno_snap.replica.state import Canister, SubnetState


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What is the same for all calls of one replica."""

    engine: Engine
    subnet_id: Principal
    root_key_der: bytes
    rules: Rules = DEFAULT_RULES


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that has been decoded and may run."""

    network: Network
    state: SubnetState
    method_name: str
    sender: Principal
    time_ns: int
    arguments: Arguments
    target: Canister | None
    """None for the methods that name no existing canister."""

    @property
    def canister(self) -> Canister:
        """The canister that the call is about."""
        if self.target is None:
            raise LookupError(f"{self.method_name} has no target")
        return self.target


def canister_not_found(canister_id: Principal) -> Reject:
    """The reject of a call to a canister that is not there."""
    return Reject("IC0301", f"Canister {canister_id} not found")
