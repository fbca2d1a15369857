"""How a part of the replica refuses a message: the one exception that crosses its parts."""

from typing import Final, final

REJECT_MESSAGE_MAX_BYTES: Final = 8192
"""Longer messages are cut. Source: dfinity/ic, ``rs/types/error_types``."""


@final
class Reject(Exception):  # noqa: N818  # an answer of the network, not an error of this program
    """A message is refused with the network's codes.

    ``error_code`` is like ``IC0301``; ``reject_code`` is 1 to 6 and is the second digit of the
    error code (interface specification, "Error codes"). ``logs`` are the lines that the canister's
    code wrote before it failed, ``instructions`` are those that it used: the network keeps the
    former and charges the latter. A canister that called sees the error code in front of the
    message, unless it ``is_verbatim``.
    """

    def __init__(
        self,
        error_code: str,
        message: str,
        *,
        logs: tuple[bytes, ...] = (),
        is_verbatim: bool = False,
        instructions: int = 0,
    ) -> None:
        raw = message.encode()
        if len(raw) > REJECT_MESSAGE_MAX_BYTES:
            message = raw[:REJECT_MESSAGE_MAX_BYTES].decode(errors="ignore")
        super().__init__(message)
        self.error_code = error_code
        self.message = message
        self.logs = logs
        self.is_verbatim = is_verbatim
        self.instructions = instructions

    @property
    def reject_code(self) -> int:
        """The class of the refusal.

        1 fatal, 2 transient, 3 destination, 4 canister, 5 error, 6 unknown.
        """
        return int(self.error_code[3])

    @property
    def seen_by_canister(self) -> str:
        """The words that a canister gets whose call was refused."""
        return self.message if self.is_verbatim else f"{self.error_code}: {self.message}"
