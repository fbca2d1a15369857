"""From a method name and a payload to a reply: decoding, checks, execution, encoding."""

from dataclasses import dataclass
from typing import final

from juno_snap.ids import Principal, RequestId
from juno_snap.replica.accounts import check_affordable, shortage, spend
from juno_snap.replica.calls import FromCanister, FromUser
from juno_snap.replica.management.access import (
    is_allowed,
    refusal,
    refusal_before_a_round,
)
from juno_snap.replica.management.arguments import Arguments
from juno_snap.replica.management.call import Answered, Call, Network, canister_not_found
from juno_snap.replica.management.charges import ingress_fee, late_ingress_fee
from juno_snap.replica.management.methods import (
    CANISTERS_ONLY_WITH_TARGET,
    METHODS,
    READ_ONLY,
    UNSUPPORTED,
    Method,
)
from juno_snap.replica.reject import Reject
from juno_snap.replica.state import Canister, SubnetState
from juno_snap.wire.candid import encode


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Management:
    """The management canister over one state."""

    network: Network
    state: SubnetState

    def accept(
        self,
        method_name: str,
        payload: bytes,
        sender: Principal,
        effective_canister_id: Principal,
        *,
        size_bytes: int,
    ) -> None:
        """The ingress filter, in the network's order.

        1. The method exists. 2. It is for ingress. 3. The payload can be decoded. 4. Its canister
        exists and is the one that the call was routed by. 5. It can pay for the message, which has
        ``size_bytes``. 6. The sender may call it.

        Raises:
            Reject: One of these does not hold; the answer is not certified.
        """
        method = _ingress_method(method_name)  # 1, 2
        arguments = _decoded_before_a_round(method, method_name, payload)  # 3
        canister = self._target(method, arguments)  # 4
        if canister is None:
            return
        _check_route(method, method_name, canister, effective_canister_id)
        fee = ingress_fee(method_name, payload, size_bytes)  # 5
        if fee:
            check_affordable(canister, fee, self.network.rules, sender=sender)
        if not is_allowed(method.access, canister, sender):  # 6
            raise refusal_before_a_round(method.access, canister, sender, method_name)

    def induct(
        self, method_name: str, payload: bytes, sender: Principal, *, size_bytes: int
    ) -> None:
        """Take what a user's call costs before it runs, from the canister that it is about.

        Raises:
            Reject: There is none, or it cannot pay; the call never runs.
        """
        fee = ingress_fee(method_name, payload, size_bytes)
        method = _ingress_method(method_name)
        payer = self._target(method, Arguments.decode(payload, method.arguments))
        if payer is not None and fee:
            check_affordable(payer, fee, self.network.rules, sender=sender)
            spend(payer, fee, "ingress_induction")

    def execute(
        self,
        method_name: str,
        payload: bytes,
        origin: FromUser | FromCanister,
        *,
        cycles: int = 0,
        time_ns: int,
    ) -> Answered | None:
        """The answer to an update call; None where it comes later. The filter's checks come again.

        ``cycles`` came with the call of a canister. A user's call has paid in ``induct``, or pays
        at its end.

        Raises:
            Reject: The call changes nothing, but for what it cost and the log lines of failed code.
        """
        if isinstance(origin, FromCanister):
            method, fee = _method_for_canisters(method_name), 0
        else:
            method, fee = _ingress_method(method_name), late_ingress_fee(method_name, payload)
        call = self._call(method, method_name, payload, origin, cycles=cycles, time_ns=time_ns)
        try:
            results = method.run(call)
        finally:
            self._charge_late(call, fee)
        if method_name not in READ_ONLY:
            self.state.was_managed = True
        if results is None:
            return None
        refund_cycles = 0 if method.takes_cycles else cycles
        return Answered(encode(method.results, results), refund_cycles)

    def _charge_late(self, call: Call, fee: int) -> None:
        """The network too gives up on a fee that cannot be paid then."""
        if fee and not shortage(call.canister, fee, self.network.rules, sender=call.sender):
            spend(call.canister, fee, "ingress_induction")

    def query(self, method_name: str, payload: bytes, sender: Principal, *, time_ns: int) -> bytes:
        """The reply to a query.

        Raises:
            Reject: Unknown as a query, or refused like a call.
        """
        method = METHODS.get(method_name)
        if method is None or not method.query:
            raise Reject("IC0536", f"Query method {method_name} not found.")
        nobody = FromUser(request_id=RequestId(b""), sender=sender)
        call = self._call(method, method_name, payload, nobody, cycles=0, time_ns=time_ns)
        return encode(method.results, method.run(call) or ())

    def _call(
        self,
        method: Method,
        method_name: str,
        payload: bytes,
        origin: FromUser | FromCanister,
        *,
        cycles: int,
        time_ns: int,
    ) -> Call:
        arguments = Arguments.decode(payload, method.arguments)
        canister = self._target(method, arguments)
        if canister is not None and not is_allowed(method.access, canister, origin.sender):
            raise refusal(method.access, canister, origin.sender, method_name)
        return Call(
            network=self.network,
            state=self.state,
            method_name=method_name,
            origin=origin,
            time_ns=time_ns,
            arguments=arguments,
            target=canister,
            cycles=cycles,
        )

    def _target(self, method: Method, arguments: Arguments) -> Canister | None:
        if method.target is None:
            return None
        canister_id = arguments.principal(method.target)
        if canister_id not in self.state.canisters:
            raise canister_not_found(canister_id)
        return self.state.canisters[canister_id]


def _ingress_method(method_name: str) -> Method:
    if method_name in CANISTERS_ONLY_WITH_TARGET:
        raise Reject("IC0406", f"Only canisters can call ic00 method {method_name}")
    method = METHODS.get(method_name)
    if method is not None and method.ingress:
        return method
    if method is not None or method_name in UNSUPPORTED:
        raise Reject("IC0406", f"ic00 method {method_name} can not be called via ingress messages")
    raise Reject("IC0536", f"ic00 interface does not expose method {method_name}")


def _method_for_canisters(method_name: str) -> Method:
    method = METHODS.get(method_name)
    if method is None and method_name in UNSUPPORTED:
        raise Reject("IC0406", f"The local replica does not support the ic00 method {method_name}.")
    if method is None:
        raise Reject("IC0536", f"Management canister has no method '{method_name}'")
    if method.only_query:
        raise Reject("IC0406", f"{method_name} API is only accessible in non-replicated mode")
    return method


def _decoded_before_a_round(method: Method, method_name: str, payload: bytes) -> Arguments:
    try:
        return Arguments.decode(payload, method.arguments)
    except Reject as reject:
        raise Reject(
            reject.error_code,
            f"Failed to parse payload for ic00 method {method_name}: "
            f"{reject.error_code}: {reject.message}",
        ) from reject


def _check_route(
    method: Method, method_name: str, canister: Canister, effective_canister_id: Principal
) -> None:
    if canister.canister_id != effective_canister_id:
        raise Reject(
            "IC0408",
            f"Failed to parse payload for ic00 method {method_name}: its {method.target} "
            f"{canister.canister_id} is not the effective canister id {effective_canister_id}",
        )
