"""Who may call what on a canister."""

from enum import Enum, auto
from typing import assert_never

from juno_snap.ids import Principal
from juno_snap.replica.reject import Reject
from juno_snap.replica.state import Canister


class Access(Enum):
    """Whom a method serves."""

    ANYONE = auto()
    CONTROLLERS = auto()
    CONTROLLERS_AND_SELF = auto()
    STATUS_READERS = auto()
    SNAPSHOT_READERS = auto()
    LOG_READERS = auto()


def is_allowed(access: Access, canister: Canister, sender: Principal) -> bool:
    """Whether ``sender`` is one of those."""
    settings = canister.settings
    match access:
        case Access.ANYONE:
            return True
        case Access.CONTROLLERS:
            return sender in settings.controllers
        case Access.CONTROLLERS_AND_SELF:
            return sender in settings.controllers or sender == canister.canister_id
        case Access.STATUS_READERS:
            itself = sender == canister.canister_id
            return itself or settings.may_read(settings.status_visibility, sender)
        case Access.SNAPSHOT_READERS:
            return settings.may_read(settings.snapshot_visibility, sender)
        case Access.LOG_READERS:
            return settings.may_read(settings.log_visibility, sender)
    assert_never(access)


def refusal(access: Access, canister: Canister, sender: Principal, method_name: str) -> Reject:
    """How the network refuses during execution, where the refusal is certified."""
    settings = canister.settings
    if access is Access.LOG_READERS:
        return Reject("IC0406", f"Caller {sender} is not allowed to access canister logs")
    if access is Access.STATUS_READERS and settings.status_visibility.viewers:
        return Reject("IC0542", f"Caller {sender} is not allowed to call {method_name}")
    if access is Access.SNAPSHOT_READERS and settings.snapshot_visibility.viewers:
        return Reject("IC0406", f"Caller {sender} is not allowed to call ic00 method {method_name}")
    controllers = " ".join(map(str, settings.controllers))
    return Reject(
        "IC0512",
        f"Only the controllers of the canister {canister.canister_id} can control it.\n"
        f"Canister's controllers: {controllers}\n"
        f"Sender's ID: {sender}",
    )


def refusal_before_a_round(
    access: Access, canister: Canister, sender: Principal, method_name: str
) -> Reject:
    """How the ingress filter refuses, uncertified."""
    reject = refusal(access, canister, sender, method_name)
    if reject.error_code != "IC0512":
        return reject
    text = f"Only controllers of canister {canister.canister_id} can call ic00 method {method_name}"
    return Reject(reject.error_code, text)
