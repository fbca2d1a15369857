"""Why the execution of a canister's code ended early."""

from typing import final


@final
class ExecutionError(Exception):
    """The code trapped or broke a rule; everything it did in this message is undone.

    ``error_code`` is like ``IC0502``; ``text`` is the network's, without the name of the canister.
    """

    def __init__(self, error_code: str, text: str) -> None:
        super().__init__(text)
        self.error_code = error_code
        self.text = text


def contract_violation(what: str) -> ExecutionError:
    """The code used the platform in a way that is not allowed."""
    return ExecutionError("IC0504", f"Canister violated contract: {what}")


def trapped(why: str) -> ExecutionError:
    """The code did what Wasm forbids."""
    return ExecutionError("IC0502", f"Canister trapped: {why}")
