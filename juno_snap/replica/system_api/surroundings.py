"""``ic0``: the canister itself, its state beside the memory, time, and the network around it."""

from typing import Final

from juno_snap.errors import InputError
from juno_snap.ids import Principal
from juno_snap.replica.system_api.messages import copy_out
from juno_snap.replica.system_api.session import Session
from juno_snap.replica.traps import contract_violation, trapped
from juno_snap.units import GIB, WASM_PAGE_BYTES

CERTIFIED_DATA_MAX_BYTES: Final = 32
"""Source: interface specification, "Certified data"."""

_GROWTH_REFUSED_64: Final = (1 << 64) - 1
_GROWTH_REFUSED_32: Final = (1 << 32) - 1
_STABLE_32_BIT_MAX_PAGES: Final = 4 * GIB // WASM_PAGE_BYTES
_THIS_RUN, _WHOLE_CALL = range(2)
"""The instructions of this run, and of all runs for the same call."""


def canister_self_size(session: Session) -> int:
    """Length of the canister's id."""
    return len(session.environment.canister_id.raw)


def canister_self_copy(session: Session, address: int, offset: int, size: int) -> None:
    """Copy from the canister's id."""
    own = session.environment.canister_id.raw
    copy_out(session, "canister_self_copy", own, address, offset, size)


def subnet_self_size(session: Session) -> int:
    """Length of the subnet's id."""
    return len(session.environment.subnet_id.raw)


def subnet_self_copy(session: Session, address: int, offset: int, size: int) -> None:
    """Copy from the subnet's id."""
    subnet = session.environment.subnet_id.raw
    copy_out(session, "subnet_self_copy", subnet, address, offset, size)


def root_key_size(session: Session) -> int:
    """Length of the network's public key."""
    return len(session.environment.root_key_der)


def root_key_copy(session: Session, address: int, offset: int, size: int) -> None:
    """Copy from the network's public key, in DER."""
    key = session.environment.root_key_der
    copy_out(session, "root_key_copy", key, address, offset, size)


def canister_status(session: Session) -> int:
    """1 running, 2 stopping, 3 stopped."""
    return session.environment.status


def canister_version(session: Session) -> int:
    """Rises with each change of the canister."""
    return session.environment.canister_version


def is_controller(session: Session, address: int, size: int) -> int:
    """Whether the principal at ``address`` controls the canister."""
    try:
        candidate = Principal(session.guest.read(address, size))
    except InputError:
        raise contract_violation(f"ic0.is_controller: {size} bytes are no principal") from None
    return int(candidate in session.environment.controllers)


def time(session: Session) -> int:
    """Nanoseconds since 1970; the same during one message."""
    return session.environment.time_ns


def performance_counter(session: Session, counter: int) -> int:
    """Instructions so far."""
    if counter not in {_THIS_RUN, _WHOLE_CALL}:
        raise contract_violation(f"ic0.performance_counter: the type {counter} is not supported.")
    before = session.message.instructions_before if counter == _WHOLE_CALL else 0
    return before + session.guest.instructions_used()


def in_replicated_execution(session: Session) -> int:
    """Whether every node of the network runs this."""
    return int(session.is_replicated)


def global_timer_set(session: Session, at_ns: int) -> int:
    """Set the timer, 0 turns it off; what it was set to before."""
    before, session.global_timer_ns = session.global_timer_ns, at_ns
    return before


def certified_data_set(session: Session, address: int, size: int) -> None:
    """Replace the data that the network certifies for this canister."""
    if size > CERTIFIED_DATA_MAX_BYTES:
        raise contract_violation(
            "ic0_certified_data_set failed because the passed data must be no larger than"
            f" {CERTIFIED_DATA_MAX_BYTES} bytes. Found {size} bytes."
        )
    session.certified_data = session.guest.read(address, size)


def data_certificate_present(session: Session) -> int:
    """Whether this query has a certificate."""
    return int(session.environment.data_certificate is not None)


def data_certificate_size(session: Session) -> int:
    """Length of this query's certificate."""
    return len(_certificate(session))


def data_certificate_copy(session: Session, address: int, offset: int, size: int) -> None:
    """Copy from this query's certificate."""
    copy_out(session, "data_certificate_copy", _certificate(session), address, offset, size)


def _certificate(session: Session) -> bytes:
    if session.environment.data_certificate is None:
        raise contract_violation("ic0.data_certificate: no data certificate is available")
    if session.certificate is None:
        session.certificate = session.environment.data_certificate()
    return session.certificate


def stable64_size(session: Session) -> int:
    """Pages of stable memory."""
    return session.stable.size_pages


def stable64_grow(session: Session, more_pages: int) -> int:
    """Pages before growing, or -1."""
    before = session.stable.grow(more_pages)
    return _GROWTH_REFUSED_64 if before is None else before


def stable64_read(session: Session, address: int, offset: int, size: int) -> None:
    """Copy from stable memory to the heap."""
    session.guest.write(address, session.stable.read(offset, size))


def stable64_write(session: Session, offset: int, address: int, size: int) -> None:
    """Copy from the heap to stable memory."""
    session.stable.write(offset, session.guest.read(address, size))


def stable_size(session: Session) -> int:
    """Pages of stable memory, which must be no more than 4 GiB."""
    _check_fits_32_bits(session)
    return session.stable.size_pages


def stable_grow(session: Session, more_pages: int) -> int:
    """Pages before growing, or -1."""
    _check_fits_32_bits(session)
    if session.stable.size_pages + more_pages > _STABLE_32_BIT_MAX_PAGES:
        return _GROWTH_REFUSED_32
    before = session.stable.grow(more_pages)
    return _GROWTH_REFUSED_32 if before is None else before


def stable_read(session: Session, address: int, offset: int, size: int) -> None:
    """Copy from stable memory to the heap."""
    _check_fits_32_bits(session)
    stable64_read(session, address, offset, size)


def stable_write(session: Session, offset: int, address: int, size: int) -> None:
    """Copy from the heap to stable memory."""
    _check_fits_32_bits(session)
    stable64_write(session, offset, address, size)


def _check_fits_32_bits(session: Session) -> None:
    if session.stable.size_pages > _STABLE_32_BIT_MAX_PAGES:
        raise trapped("32 bit stable memory api used on a memory larger than 4GB")


def env_var_count(session: Session) -> int:
    """Number of environment variables."""
    return len(session.environment.environment_variables)


def env_var_name_size(session: Session, index: int) -> int:
    """Length of a variable's name."""
    return len(_variable_name(session, index))


def env_var_name_copy(session: Session, index: int, address: int, offset: int, size: int) -> None:
    """Copy from a variable's name."""
    name = _variable_name(session, index)
    copy_out(session, "env_var_name_copy", name, address, offset, size)


def env_var_name_exists(session: Session, name_address: int, name_size: int) -> int:
    """Whether there is such a variable."""
    return int(_variable(session, name_address, name_size) is not None)


def env_var_value_size(session: Session, name_address: int, name_size: int) -> int:
    """Length of a variable's value."""
    return len(_variable_value(session, name_address, name_size))


def env_var_value_copy(
    session: Session, name_address: int, name_size: int, address: int, offset: int, size: int
) -> None:
    """Copy from a variable's value."""
    value = _variable_value(session, name_address, name_size)
    copy_out(session, "env_var_value_copy", value, address, offset, size)


def _variable_name(session: Session, index: int) -> bytes:
    variables = session.environment.environment_variables
    if index >= len(variables):
        raise contract_violation(
            f"ic0.env_var_name: index {index} is out of bounds of {len(variables)} variables"
        )
    return variables[index][0].encode()


def _variable(session: Session, address: int, size: int) -> bytes | None:
    name = session.guest.read(address, size)
    for known, value in session.environment.environment_variables:
        if known.encode() == name:
            return value.encode()
    return None


def _variable_value(session: Session, address: int, size: int) -> bytes:
    value = _variable(session, address, size)
    if value is None:
        raise contract_violation("ic0.env_var_value: there is no such environment variable")
    return value
