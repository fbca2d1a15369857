"""One management call while it runs: where it came from and what it may touch."""

from dataclasses import dataclass
from typing import NamedTuple, final

from juno_snap.ids import Principal
from juno_snap.replica.calls import FromCanister, FromUser
from juno_snap.replica.management.arguments import Arguments
from juno_snap.replica.reject import Reject
from juno_snap.replica.rules import DEFAULT_RULES, Rules
from juno_snap.replica.runtime import Engine
from juno_snap.replica.state import Canister, SubnetState
from juno_snap.replica.state_history import ChangeOrigin


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
    origin: FromUser | FromCanister
    """Who called; where the method answers later, who is to be answered."""
    time_ns: int
    arguments: Arguments
    target: Canister | None
    """None for the methods that name no existing canister."""
    cycles: int = 0
    """What a canister sent along."""

    @property
    def sender(self) -> Principal:
        """The principal that called."""
        return self.origin.sender

    @property
    def change_origin(self) -> ChangeOrigin:
        """The caller, as the history of a canister names it."""
        named = "sender_canister_version"
        if isinstance(self.origin, FromUser):
            return ChangeOrigin(principal=self.sender)
        return ChangeOrigin(
            principal=self.sender,
            is_canister=True,
            canister_version=self.arguments.natural(named) if named in self.arguments else None,
        )

    @property
    def canister(self) -> Canister:
        """The canister that the call is about."""
        if self.target is None:
            raise LookupError(f"{self.method_name} has no target")
        return self.target


class Answered(NamedTuple):
    """The reply to a call, and the cycles of those sent along that go back with it."""

    reply: bytes
    refund_cycles: int


def canister_not_found(canister_id: Principal) -> Reject:
    """The reject of a call to a canister that is not there."""
    return Reject("IC0301", f"Canister {canister_id} not found")
