"""Settings of a canister: read from a call, checked as the network checks them, applied."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, cast

from juno_snap.ids import Principal
from juno_snap.replica.accounts import freezing_limit_of
from juno_snap.replica.management.arguments import Arguments, as_arguments, invalid_payload
from juno_snap.replica.management.call import Call
from juno_snap.replica.management.charges import available_bytes, oversubscribed
from juno_snap.replica.reject import Reject
from juno_snap.replica.rules import Rules
from juno_snap.replica.state import Canister, EnvironmentVariables, Settings, Visibility, memory_use
from juno_snap.replica.state_history import ControllersChange
from juno_snap.replica.state_logs import LOG_MEMORY_LIMIT_MAX_BYTES, LOG_MEMORY_LIMIT_MIN_BYTES

CONTROLLERS_MAX: Final = 10
VIEWERS_MAX: Final = 10
ENVIRONMENT_VARIABLES_MAX: Final = 20
ENVIRONMENT_TEXT_MAX_BYTES: Final = 128
"""Source: interface specification, "Canister settings"; developer docs, "Resource limits"."""


class _Range(NamedTuple):
    """The largest value of a number among the settings, and what is said of a larger one."""

    maximum: int
    complaint: str


_RANGES: Final = {
    "compute_allocation": _Range(100, "ComputeAllocation expected to be in the range [0..100]"),
    "memory_allocation": _Range(
        2**64 - 1, "MemoryAllocation expected to be in the range [0..2^64-1]"
    ),
    "freezing_threshold": _Range(
        2**64 - 1, "Freezing threshold expected to be in the range of [0..2^64-1]"
    ),
    "reserved_cycles_limit": _Range(
        2**128 - 1, "Reserved cycles limit expected to be in the range of [0..2^128-1]"
    ),
    "minimum_incoming_canister_call_cycles": _Range(
        2**128 - 1,
        "Minimum incoming canister call cycles expected to be in the range of [0..2^128-1]",
    ),
    "log_memory_limit": _Range(
        2**64 - 1, "Log memory limit expected to be in the range of [0..2^64-1]"
    ),
    "wasm_memory_limit": _Range(
        2**48, "Wasm memory limit expected to be in the range of [0..2^64-1]"
    ),
    "wasm_memory_threshold": _Range(
        2**48, "Wasm memory threshold expected to be in the range of [0..2^64-1]"
    ),
}
"""The last two texts name a wider range than is accepted; so they do on the network. Source:
dfinity/ic, ``canister_settings.rs``; the maxima are the interface specification's."""


def update_settings(call: Call) -> tuple[object, ...]:
    """Change the settings that are given; the version rises by one in any case."""
    canister, wanted = call.canister, call.arguments.record("settings")
    settings = changed_settings(canister.settings, wanted)
    check_settings(settings, canister, call)
    canister.settings = settings
    canister.logs.shrink(settings.log_memory_limit_bytes)
    canister.version += 1
    canister.update_hook_status()
    if "controllers" in wanted:
        change = ControllersChange(controllers=settings.controllers)
        canister.note(change, origin=call.change_origin, at_ns=call.time_ns)
    return ()


def changed_settings(old: Settings, wanted: Arguments) -> Settings:
    """``old`` with what ``wanted`` names, in the network's order of checks.

    Raises:
        Reject: IC0504 for a number out of its range, IC0408 for lists that are malformed.
    """
    return replace(
        old,
        controllers=_controllers(old, wanted),
        compute_allocation_percent=_natural(
            wanted, "compute_allocation", old.compute_allocation_percent
        ),
        memory_allocation_bytes=_natural(wanted, "memory_allocation", old.memory_allocation_bytes),
        freezing_threshold_seconds=_natural(
            wanted, "freezing_threshold", old.freezing_threshold_seconds
        ),
        reserved_cycles_limit=_natural(wanted, "reserved_cycles_limit", old.reserved_cycles_limit),
        minimum_incoming_canister_call_cycles=_natural(
            wanted,
            "minimum_incoming_canister_call_cycles",
            old.minimum_incoming_canister_call_cycles,
        ),
        log_memory_limit_bytes=_natural(wanted, "log_memory_limit", old.log_memory_limit_bytes),
        wasm_memory_limit_bytes=_natural(wanted, "wasm_memory_limit", old.wasm_memory_limit_bytes),
        wasm_memory_threshold_bytes=_natural(
            wanted, "wasm_memory_threshold", old.wasm_memory_threshold_bytes
        ),
        log_visibility=_visibility(wanted, "log_visibility", old.log_visibility),
        snapshot_visibility=_visibility(wanted, "snapshot_visibility", old.snapshot_visibility),
        status_visibility=_visibility(wanted, "status_visibility", old.status_visibility),
        environment_variables=_environment_variables(wanted, old.environment_variables),
    )


def check_settings(settings: Settings, canister: Canister, call: Call) -> None:
    """Check what depends on more than one number, in the network's order.

    Raises:
        Reject: Too many or too long environment variables (IC0408), too many controllers (IC0504),
            more memory than the subnet has (IC0101), more computing or memory than the canister can
            pay for (IC0530, IC0531), a limit of reserved cycles below what is reserved (IC0540), an
            impossible size of the log (IC0406).
    """
    others = (each for each in call.state.canisters.values() if each is not canister)
    _check_environment_variables(settings.environment_variables)
    _check_memory_allocation(settings, canister, others)
    if len(settings.controllers) > CONTROLLERS_MAX:
        raise Reject(
            "IC0504",
            "Could not validate the settings: Invalid settings: 'controllers' length exceeds "
            f"maximum size allowed of {CONTROLLERS_MAX}.",
        )
    _check_cycles(settings, canister, call.network.rules)
    if settings.reserved_cycles_limit < canister.reserved_cycles:
        raise Reject(
            "IC0540",
            f"Cannot set the reserved cycles limit {settings.reserved_cycles_limit:_} below the "
            f"reserved cycles balance of the canister {canister.reserved_cycles:_}.",
        )
    _check_log_memory_limit(settings.log_memory_limit_bytes)


def _natural(wanted: Arguments, name: str, old: int) -> int:
    if name not in wanted:
        return old
    value, allowed = wanted.natural(name), _RANGES[name]
    if value > allowed.maximum:
        raise Reject("IC0504", f"{allowed.complaint}, got {value:_}")
    return value


def _controllers(old: Settings, wanted: Arguments) -> tuple[Principal, ...]:
    if "controllers" not in wanted:
        return old.controllers
    return tuple(sorted(set(wanted.principals("controllers"))))


def _visibility(wanted: Arguments, name: str, old: Visibility) -> Visibility:
    if name not in wanted:
        return old
    variant = wanted.variant(name)
    match variant.tag:
        case "public":
            return Visibility(kind="public")
        case "allowed_viewers":
            viewers = tuple(cast("Sequence[Principal]", variant.value))
            if len(viewers) > VIEWERS_MAX:
                raise invalid_payload(
                    f"The number of elements exceeds maximum allowed {VIEWERS_MAX}"
                )
            return Visibility(kind="allowed_viewers", viewers=viewers)
        case _:
            return Visibility()


def _environment_variables(wanted: Arguments, old: EnvironmentVariables) -> EnvironmentVariables:
    if "environment_variables" not in wanted:
        return old
    records = [as_arguments(each) for each in wanted.items("environment_variables")]
    variables = {each.text("name"): each.text("value") for each in records}
    if len(variables) < len(records):
        raise Reject("IC0408", "Duplicate environment variables are not allowed")
    return tuple(sorted(variables.items()))


def _check_environment_variables(variables: EnvironmentVariables) -> None:
    if len(variables) > ENVIRONMENT_VARIABLES_MAX:
        raise Reject(
            "IC0408",
            f"Too many environment variables: {len(variables)} (max: {ENVIRONMENT_VARIABLES_MAX})",
        )
    for name, value in variables:
        if len(name.encode()) > ENVIRONMENT_TEXT_MAX_BYTES:
            raise Reject(
                "IC0408",
                f'Environment variable name "{name}" exceeds the maximum allowed length of '
                f"{ENVIRONMENT_TEXT_MAX_BYTES}.",
            )
        if len(value.encode()) > ENVIRONMENT_TEXT_MAX_BYTES:
            raise Reject(
                "IC0408",
                f'Environment variable value "{value}" exceeds the maximum allowed length of '
                f"{ENVIRONMENT_TEXT_MAX_BYTES}.",
            )


def _check_memory_allocation(
    settings: Settings, canister: Canister, others: Iterable[Canister]
) -> None:
    wanted = max(settings.memory_allocation_bytes, memory_use(canister).total)
    available = available_bytes(others)
    if wanted > available:
        raise oversubscribed(wanted, available)


def _check_cycles(settings: Settings, canister: Canister, rules: Rules) -> None:
    """A canister may freeze itself by its threshold, but not by asking for more of anything."""
    old = canister.settings
    missing = freezing_limit_of(settings, memory_use(canister).total, rules) - canister.cycles
    if missing <= 0:
        return
    more = f"due to insufficient cycles. At least {missing:_} additional cycles are required."
    if settings.compute_allocation_percent > old.compute_allocation_percent:
        percent = settings.compute_allocation_percent
        raise Reject("IC0530", f"Cannot increase compute allocation to {percent}% {more}")
    if settings.memory_allocation_bytes > old.memory_allocation_bytes:
        size = settings.memory_allocation_bytes
        raise Reject("IC0531", f"Cannot increase memory allocation to {size} {more}")


def _check_log_memory_limit(limit: int) -> None:
    if 0 < limit < LOG_MEMORY_LIMIT_MIN_BYTES:
        raise Reject(
            "IC0406",
            f"The canister log memory limit {limit} is too low. "
            f"It must be at least {LOG_MEMORY_LIMIT_MIN_BYTES}.",
        )
    if limit > LOG_MEMORY_LIMIT_MAX_BYTES:
        raise Reject(
            "IC0406",
            f"The canister log memory limit {limit} is too high. "
            f"It must be at most {LOG_MEMORY_LIMIT_MAX_BYTES}.",
        )
