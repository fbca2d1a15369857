"""``ic0``: the message, its caller, the answer, and what a canister says before it ends."""

from juno_snap.replica.system_api.session import (
    NODE_LOCAL,
    QUERY_REPLY_MAX_BYTES,
    REPLY_MAX_BYTES,
    Session,
)
from juno_snap.replica.traps import ExecutionError, contract_violation


def copy_out(
    session: Session, what: str, data: bytes, address: int, offset: int, size: int
) -> None:
    """Write a part of ``data`` to the canister's memory.

    Raises:
        ExecutionError: The part is not within the data, or the place not within the memory.
    """
    if offset + size > len(data):
        raise contract_violation(
            f"ic0.{what}: src={offset} + length={size} exceeds the slice size={len(data)}"
        )
    session.guest.write(address, data[offset : offset + size])


def msg_arg_data_size(session: Session) -> int:
    """Length of the argument."""
    return len(session.message.arg)


def msg_arg_data_copy(session: Session, address: int, offset: int, size: int) -> None:
    """Copy from the argument."""
    copy_out(session, "msg_arg_data_copy payload", session.message.arg, address, offset, size)


def msg_caller_size(session: Session) -> int:
    """Length of the caller's principal."""
    return len(session.message.caller.raw)


def msg_caller_copy(session: Session, address: int, offset: int, size: int) -> None:
    """Copy from the caller's principal."""
    copy_out(session, "msg_caller_copy id", session.message.caller.raw, address, offset, size)


def caller_info_size(_session: Session) -> int:
    """Length of what a canister signature says of its user: here no caller has one."""
    return 0


def caller_info_copy(session: Session, address: int, offset: int, size: int) -> None:
    """Copy from what a canister signature says of its user: here no caller has one."""
    copy_out(session, "msg_caller_info", b"", address, offset, size)


def msg_method_name_size(session: Session) -> int:
    """Length of the method's name."""
    return len(session.message.method.encode())


def msg_method_name_copy(session: Session, address: int, offset: int, size: int) -> None:
    """Copy from the method's name."""
    name = session.message.method.encode()
    copy_out(session, "msg_method_name_copy", name, address, offset, size)


def accept_message(session: Session) -> None:
    """Let the inspected message in."""
    if session.accepted:
        raise contract_violation("ic0.accept_message: the function was already called.")
    session.accepted = True


def msg_reply_data_append(session: Session, address: int, size: int) -> None:
    """Add to the reply."""
    _check_not_answered(session, "msg_reply_data_append")
    limit = QUERY_REPLY_MAX_BYTES if session.context in NODE_LOCAL else REPLY_MAX_BYTES
    total = len(session.reply_data) + size
    if total > limit:
        raise _too_large("msg_reply_data_append", total, limit)
    session.reply_data += session.guest.read(address, size)


def msg_reply(session: Session) -> None:
    """Answer with what was added."""
    _check_not_answered(session, "msg_reply")
    session.reply = bytes(session.reply_data)


def msg_reject(session: Session, address: int, size: int) -> None:
    """Answer with a rejection."""
    _check_not_answered(session, "msg_reject")
    limit = QUERY_REPLY_MAX_BYTES if session.context in NODE_LOCAL else REPLY_MAX_BYTES
    if size > limit:
        raise _too_large("msg_reject", size, limit)
    try:
        session.rejection = session.guest.read(address, size).decode()
    except UnicodeDecodeError:
        raise contract_violation("ic0.msg_reject: invalid UTF-8 string provided") from None


def debug_print(session: Session, address: int, size: int) -> None:
    """Write a line to the canister's log. Never fails."""
    try:
        line = session.guest.read(address, size)
    except ExecutionError:
        line = b"(debug_print message out of memory bounds)"
    session.logs.append(line)


def trap(session: Session, address: int, size: int) -> None:
    """End this message at once.

    Raises:
        ExecutionError: Always.
    """
    try:
        message = session.guest.read(address, size).decode(errors="replace")
    except ExecutionError:
        message = "(trap message out of memory bounds)"
    raise ExecutionError("IC0503", f"Canister called `ic0.trap` with message: '{message}'")


def _check_not_answered(session: Session, name: str) -> None:
    if session.has_answered:
        raise contract_violation(f"ic0.{name}: the call is already replied")


def _too_large(name: str, size: int, limit: int) -> ExecutionError:
    return contract_violation(
        f"ic0.{name}: application payload size ({size}) cannot be larger than {limit}."
    )
