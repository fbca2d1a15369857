"""Once more: the one retry policy of this layer.

A step that raises is called again with its newest snapshot, after a wait that grows. Not tried
again is what would end the same way: malformed input, a refusal, a mistake in the configuration, an
answer that cannot be trusted, an operation on a module that failed.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from juno_snap.clock import Clock
from juno_snap.errors import (
    ConfigError,
    IdentityError,
    InputError,
    NotFoundError,
    OperationError,
    PreconditionError,
    TrustError,
)
from juno_snap.flow.flow import Attempts
from juno_snap.flow.model import TakenOverError
from juno_snap.waits import Entropy, growing_wait, with_jitter

GROWTH: Final = 2.0
JITTER: Final = 0.5
FOR_GOOD: Final = (
    ConfigError,
    IdentityError,
    InputError,
    NotFoundError,
    OperationError,
    PreconditionError,
    TakenOverError,
    TrustError,
)

Result = TypeVar("Result")


async def call_with_retries(
    call: Callable[[], Awaitable[Result]],
    attempts: Attempts,
    *,
    has_more: Callable[[], bool],
    before_wait: Callable[[BaseException, float], None],
    clock: Clock,
    entropy: Entropy,
) -> Result:
    """What ``call`` returns, at the first attempt that returns.

    ``has_more`` says after each that failed whether another one may begin.

    Raises:
        Exception: What the last attempt raised.
    """

    def is_over(state: RetryCallState) -> bool:
        return state.attempt_number >= attempts.most or not has_more()

    def wait(state: RetryCallState) -> float:
        longest = attempts.longest_wait_seconds
        first = attempts.first_wait_seconds
        return with_jitter(
            growing_wait(first, GROWTH, longest, state.attempt_number), JITTER, entropy
        )

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None:
            before_wait(error, state.upcoming_sleep)

    retrying = AsyncRetrying(
        sleep=clock.sleep,
        stop=is_over,
        wait=wait,
        retry=retry_if_exception(is_worth_another_try),
        before_sleep=tell,
        reraise=True,
    )
    result: Result = await retrying(call)
    return result


def is_worth_another_try(error: BaseException) -> bool:
    """Whether the same call may have more luck."""
    return isinstance(error, Exception) and not isinstance(error, FOR_GOOD)
