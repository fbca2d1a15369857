"""What the network says of a module, in words for who asked."""

from typing import Final

from juno_snap.errors import JunoSnapError, NotFoundError, PreconditionError, RejectedError
from juno_snap.ids import Principal
from juno_snap.pipeline import codes

WHO_CONTROLS: Final = (
    "of Juno's access keys those of role Admin are controllers; Write and Submit keys and those of "
    "GitHub Actions are not, whatever they may do inside the module"
)


def module_not_found(module: Principal) -> NotFoundError:
    """The error for a module that does not exist."""
    return NotFoundError(
        f"there is no module {module} on this network",
        code="module-not-found",
        hint="check the id and the network",
    )


def explained(error: RejectedError, module: Principal) -> JunoSnapError:
    """A reject of a call that only reads, in words of its own where its meaning is known."""
    match error.error_code:
        case codes.CANISTER_NOT_FOUND:
            return module_not_found(module)
        case codes.NOT_CONTROLLER | codes.NOT_ALLOWED:
            return PreconditionError(
                f"this identity does not control module {module}",
                code="not-controller",
                hint=f"use one of its controllers, juno-snap status shows them; {WHO_CONTROLS}",
            )
        case codes.OUT_OF_CYCLES:
            return PreconditionError(
                f"module {module} is frozen: it cannot pay for a call ({error.message})",
                code="module-frozen",
                hint="top it up with cycles, then try again",
            )
        case _:
            return error
