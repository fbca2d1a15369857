"""``ic0``: cycles, and what things cost.

The costs are those of a 13-node application subnet (developer docs, "Cycles costs").
"""

from typing import Final

from juno_snap.replica.fees import execution_cycles
from juno_snap.replica.system_api.session import REPLY_MAX_BYTES, Session
from juno_snap.replica.traps import trapped

_CYCLES_BYTES: Final = 16
_64_BITS: Final = 64
_NODES: Final = 13

CALL_CYCLES: Final = 260_000
CALL_CYCLES_PER_BYTE: Final = 1_000
CALLBACK_INSTRUCTIONS: Final = 40_000_000_000
CREATE_CANISTER_CYCLES: Final = 500_000_000_000
HTTP_REQUEST_CYCLES: Final = (3_000_000 + 60_000 * _NODES) * _NODES
HTTP_REQUEST_CYCLES_PER_BYTE: Final = 400 * _NODES
HTTP_RESPONSE_CYCLES_PER_BYTE: Final = 800 * _NODES
SIGNATURE_CYCLES: Final = {
    "dfx_test_key": 10_000_000_000,
    "test_key_1": 10_000_000_000,
    "key_1": 26_153_846_153,
}
_CURVES_MAX: Final = {"ecdsa": 0, "schnorr": 1, "vetkd": 0}
_BAD_CURVE: Final = 1
_BAD_KEY: Final = 2


def _put(session: Session, address: int, cycles: int) -> None:
    session.guest.write(address, cycles.to_bytes(_CYCLES_BYTES, "little"))


def _narrow(cycles: int) -> int:
    if cycles >> _64_BITS:
        raise trapped("cycles amount exceeds 64-bit representation")
    return cycles


def canister_cycle_balance128(session: Session, address: int) -> None:
    """Cycles of the canister."""
    _put(session, address, session.balance_cycles)


def canister_liquid_cycle_balance128(session: Session, address: int) -> None:
    """Cycles that the canister may spend without freezing."""
    _put(session, address, session.liquid_cycles)


def canister_cycle_balance(session: Session) -> int:
    """Cycles of the canister, where they fit into 64 bits."""
    return _narrow(session.balance_cycles)


def msg_cycles_available128(session: Session, address: int) -> None:
    """Cycles that came with the message and can still be accepted."""
    _put(session, address, session.cycles_available)


def msg_cycles_available(session: Session) -> int:
    """Cycles that came with the message and can still be accepted, where 64 bits hold them."""
    return _narrow(session.cycles_available)


def msg_cycles_refunded128(session: Session, address: int) -> None:
    """Cycles that were sent with a call and came back with its answer."""
    _put(session, address, session.message.cycles_refunded)


def msg_cycles_refunded(session: Session) -> int:
    """Cycles that came back with an answer, where they fit into 64 bits."""
    return _narrow(session.message.cycles_refunded)


def msg_cycles_accept128(session: Session, high: int, low: int, address: int) -> None:
    """Take cycles that came with the message; how many there were to take."""
    _put(session, address, _accept(session, high << _64_BITS | low))


def msg_cycles_accept(session: Session, most: int) -> int:
    """Take cycles that came with the message; how many there were to take."""
    return _accept(session, most)


def cycles_burn128(session: Session, high: int, low: int, address: int) -> None:
    """Give cycles away for nothing; how many there were to give without freezing."""
    burned = min(high << _64_BITS | low, session.liquid_cycles)
    session.cycles_burned += burned
    _put(session, address, burned)


def transmission_cycles(size_bytes: int) -> int:
    """For so many bytes of a call or of its answer."""
    return CALL_CYCLES_PER_BYTE * size_bytes


def call_cycles(size_bytes: int) -> int:
    """For a call with so many bytes of name and payload, and the largest answer to it."""
    return CALL_CYCLES + transmission_cycles(size_bytes + REPLY_MAX_BYTES)


def cost_call(session: Session, name_bytes: int, payload_bytes: int, address: int) -> None:
    """Cycles that a call sets aside, its reply included."""
    execution = execution_cycles(CALLBACK_INSTRUCTIONS, is_64_bit=session.is_64_bit)
    _put(session, address, execution + call_cycles(name_bytes + payload_bytes))


def cost_create_canister(session: Session, address: int) -> None:
    """Cycles for a canister."""
    _put(session, address, CREATE_CANISTER_CYCLES)


def cost_http_request(
    session: Session, request_bytes: int, response_bytes: int, address: int
) -> None:
    """Cycles for a request to the world."""
    variable = (
        HTTP_REQUEST_CYCLES_PER_BYTE * request_bytes
        + HTTP_RESPONSE_CYCLES_PER_BYTE * response_bytes
    )
    _put(session, address, HTTP_REQUEST_CYCLES + variable)


def cost_sign_with_ecdsa(
    session: Session, name_address: int, name_size: int, curve: int, address: int
) -> int:
    """Cycles for an ECDSA signature; 0, 1 for a bad curve, 2 for a bad key."""
    return _cost_of_key(session, "ecdsa", name_address, name_size, curve, address)


def cost_sign_with_schnorr(
    session: Session, name_address: int, name_size: int, algorithm: int, address: int
) -> int:
    """Cycles for a Schnorr signature; 0, 1 for a bad algorithm, 2 for a bad key."""
    return _cost_of_key(session, "schnorr", name_address, name_size, algorithm, address)


def cost_vetkd_derive_key(
    session: Session, name_address: int, name_size: int, curve: int, address: int
) -> int:
    """Cycles for a derived key; 0, 1 for a bad curve, 2 for a bad key."""
    return _cost_of_key(session, "vetkd", name_address, name_size, curve, address)


def _cost_of_key(
    session: Session, scheme: str, name_address: int, name_size: int, curve: int, address: int
) -> int:
    if curve > _CURVES_MAX[scheme]:
        return _BAD_CURVE
    name = session.guest.read(name_address, name_size).decode(errors="replace")
    if name not in SIGNATURE_CYCLES:
        return _BAD_KEY
    _put(session, address, SIGNATURE_CYCLES[name])
    return 0


def _accept(session: Session, most: int) -> int:
    accepted = min(most, session.cycles_available)
    session.cycles_accepted += accepted
    return accepted
