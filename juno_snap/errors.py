"""Every error of this library, each with what to do next.

An error carries its values as fields, so that nobody needs to match its text. The command line maps
the classes to exit codes (``juno_snap.cli.exit_codes``); a class here never knows about it.
"""

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override


class JunoSnapError(Exception):
    """Base of everything that this library raises on purpose.

    ``code`` is a stable, kebab-case name that scripts may depend on; ``hint`` says what to do next.
    """

    default_code: ClassVar[str] = "error"
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint or self.default_hint

    @property
    def fields(self) -> Mapping[str, object]:
        """The error's own values, ready for JSON: text, numbers, booleans and null only."""
        return {}


class InputError(JunoSnapError):
    """Something a person typed or named is malformed; nothing was done."""

    default_code: ClassVar[str] = "invalid-input"

    def __init__(self, message: str, *, value: str = "", code: str = "", hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint)
        self.value = value

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """The malformed input."""
        return {"value": self.value}


class ConfigError(JunoSnapError):
    """The configuration is missing, malformed or contradicts itself.

    ``source`` is the file, variable or option that said it, ``key`` the dotted name of the setting;
    either is empty where nothing was said.
    """

    default_code: ClassVar[str] = "config"

    def __init__(
        self, message: str, *, source: str = "", key: str = "", code: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.source = source
        self.key = key

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """Who said what."""
        return {"source": self.source, "key": self.key}


class IdentityError(JunoSnapError):
    """No usable identity: a missing key, a wrong passphrase, an expired delegation."""

    default_code: ClassVar[str] = "identity"


class LockedError(JunoSnapError):
    """Somebody else holds the lock."""

    default_code: ClassVar[str] = "locked"


class NotFoundError(JunoSnapError):
    """The module, snapshot or file that was named does not exist."""

    default_code: ClassVar[str] = "not-found"


class PreconditionError(JunoSnapError):
    """Refused before anything changed; the hint names the way out."""

    default_code: ClassVar[str] = "refused"


class TransportError(JunoSnapError):
    """The network did not answer, or not with an answer of the protocol.

    ``status`` is the HTTP status, 0 where there was none. ``maybe_delivered`` says that the request
    may have reached the other side, so that a call that was in it may still run.
    """

    default_code: ClassVar[str] = "transport"

    def __init__(
        self,
        message: str,
        *,
        url: str,
        status: int = 0,
        maybe_delivered: bool = True,
        code: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.url = url
        self.status = status
        self.maybe_delivered = maybe_delivered

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """Where it was sent and what came back."""
        return {"url": self.url, "status": self.status, "maybe_delivered": self.maybe_delivered}


class DecodeError(JunoSnapError):
    """Bytes that are not what they should be. ``offset`` is in bytes, -1 where unknown."""

    default_code: ClassVar[str] = "decode"

    def __init__(self, message: str, *, offset: int = -1, code: str = "", hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint)
        self.offset = offset

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """Where decoding stopped."""
        return {"offset": self.offset}


class TrustError(JunoSnapError):
    """An answer that cannot be trusted: never retried, never ignored."""

    default_code: ClassVar[str] = "trust"


class RejectedError(JunoSnapError):
    """The network refused a call.

    ``reject_code`` is 1 to 6, ``error_code`` like ``IC0301`` or empty. ``certified`` is false where
    one node said so on its own (interface specification, "Synchronous Call").
    """

    default_code: ClassVar[str] = "rejected"

    def __init__(
        self,
        message: str,
        *,
        reject_code: int,
        error_code: str = "",
        certified: bool,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.reject_code = reject_code
        self.error_code = error_code
        self.certified = certified

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """The network's own codes."""
        return {
            "reject_code": self.reject_code,
            "error_code": self.error_code,
            "certified": self.certified,
        }


class OutcomeUnknownError(JunoSnapError):
    """A call was submitted and no certified outcome is known: it may run until it expires.

    ``request_id`` has 32 bytes, ``expires_at_ns`` is UTC.
    """

    default_code: ClassVar[str] = "outcome-unknown"

    def __init__(
        self, message: str, *, request_id: bytes, expires_at_ns: int, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.request_id = request_id
        self.expires_at_ns = expires_at_ns

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """Which call it was and until when it may still run."""
        return {"request_id": self.request_id.hex(), "expires_at_ns": self.expires_at_ns}


class BackupError(JunoSnapError):
    """A backup cannot be used or written. ``path`` is the file or directory that it is about."""

    default_code: ClassVar[str] = "backup"

    def __init__(self, message: str, *, path: str, code: str = "", hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint)
        self.path = path

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """Where it lies."""
        return {"path": self.path}


class OperationError(JunoSnapError):
    """An operation on a module failed after it had begun to change something.

    ``runs_old_code`` says that the module is known to run the code and data it had before.
    """

    default_code: ClassVar[str] = "operation-failed"

    def __init__(
        self, message: str, *, operation: str, step: str, runs_old_code: bool, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.operation = operation
        self.step = step
        self.runs_old_code = runs_old_code

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """What failed, where, and in which state the module was left."""
        return {
            "operation": self.operation,
            "step": self.step,
            "runs_old_code": self.runs_old_code,
        }


class FlowError(JunoSnapError):
    """A step of a flow failed as often as it may; its last step snapshot is kept."""

    default_code: ClassVar[str] = "flow-failed"

    def __init__(self, message: str, *, flow: str, step: str, run: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.flow = flow
        self.step = step
        self.run = run

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """Which step of which run."""
        return {"flow": self.flow, "step": self.step, "run": self.run}
