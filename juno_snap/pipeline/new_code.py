"""What speaks against the new code itself: its interface, its data, its memory, its checks. Pure.

What is found here is what the code says of itself, so a person may know better: ``--force`` makes
remarks of these reasons. What it says of its place among Juno's modules is judged apart, and has
options of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from juno_snap.juno.guards import judge_modules
from juno_snap.juno.roles import BUILD_METADATA, PACKAGE_METADATA, JunoModule, recognise
from juno_snap.management.candid_call import INTERFACE_METADATA, interface_differences
from juno_snap.pipeline.checks.fit import misfits, missing_methods
from juno_snap.pipeline.observe import STABLE_TYPES_METADATA, Observation
from juno_snap.pipeline.plan_parts import Refusal, Remark
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.wasm_file import WasmFile

SHOWN_REASONS: Final = 5
REASON_MAX_CHARS: Final = 200
FORCE: Final = ("--force",)

UNKNOWN_INTERFACE: Final = Remark(
    code="candid-unchecked",
    text="the module does not say its interface (metadata candid:service), so the new one was not "
    "compared with it",
)
MISSING_INTERFACE: Final = Remark(
    code="candid-unchecked",
    text="the new Wasm does not say its interface (metadata candid:service), so it was not "
    "compared with that of the module",
)
UNREADABLE_INTERFACE: Final = Remark(
    code="candid-unchecked",
    text="the interface of the module or of the new Wasm (metadata candid:service) cannot be read, "
    "so they were not compared",
)
STABLE_TYPES_DIFFER: Final = Remark(
    code="stable-types-differ",
    text="the types of the data that the new code keeps (metadata motoko:stable-types) are not "
    "those of the installed code: what does not fit may be lost or may stop the upgrade; try it "
    "first with juno-snap rehearse",
)


def metadata_of(wasm: WasmFile, name: str) -> bytes | None:
    """A metadata section of a Wasm, public or private; none where it is absent, empty or long.

    Source: interface specification, "Canister metadata".
    """
    sections = wasm.custom_sections
    return sections.get(f"icp:public {name}") or sections.get(f"icp:private {name}") or None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFindings:
    """What speaks against new code, and what a person should know of it."""

    refusals: tuple[Refusal, ...]
    remarks: tuple[Remark, ...]


def judge_code(
    seen: Observation, request: UpgradeRequest, wasm: WasmFile, *, keeps_heap: bool
) -> CodeFindings:
    """What there is to say of ``wasm`` in place of the code that was ``seen``.

    Each refusal is answered by ``--force``, and a remark then.
    """
    if seen.module_hash is None:
        return CodeFindings(refusals=(), remarks=())
    interface = _judge_interface(seen, wasm)
    refusals = [
        *_memory_refusals(seen, wasm, keeps_heap=keeps_heap),
        *interface.refusals,
        *_check_refusals(request, wasm),
    ]
    remarks = [*interface.remarks, *_data_remarks(seen, request, wasm)]
    if request.force:
        remarks += [Remark(code=each.code, text=each.text) for each in refusals]
        refusals = []
    return CodeFindings(refusals=tuple(refusals), remarks=tuple(remarks))


def juno_module_of(wasm: WasmFile) -> JunoModule:
    """What a Wasm says that it is in Juno's world."""
    return recognise(
        package=metadata_of(wasm, PACKAGE_METADATA), build=metadata_of(wasm, BUILD_METADATA)
    )


def judge_juno(seen: Observation, request: UpgradeRequest, wasm: WasmFile) -> CodeFindings:
    """What there is to say of roles and releases; ``--force`` lifts none of it."""
    if seen.module_hash is None:
        return CodeFindings(refusals=(), remarks=())
    new = juno_module_of(wasm)
    reasons = judge_modules(seen.juno, new, request.juno, is_reset=request.reset)
    return CodeFindings(
        refusals=tuple(
            Refusal(code=reason.code, text=reason.text, flags=reason.flags)
            for reason in reasons
            if reason.is_refusal
        ),
        remarks=tuple(
            Remark(code=reason.code, text=reason.text)
            for reason in reasons
            if not reason.is_refusal
        ),
    )


def methods_given_up(wasm: WasmFile) -> tuple[str, ...]:
    """Methods that nobody need find any more in the new code.

    Modules of Juno's gave up their query ``version`` for the section that says the same certified.
    """
    return ("version",) if juno_module_of(wasm).package else ()


def _judge_interface(seen: Observation, wasm: WasmFile) -> CodeFindings:
    """Whether those that call the module now are still served."""
    if seen.interface is None:
        return CodeFindings(refusals=(), remarks=(UNKNOWN_INTERFACE,))
    new = metadata_of(wasm, INTERFACE_METADATA)
    if new is None:
        return CodeFindings(refusals=(), remarks=(MISSING_INTERFACE,))
    differences = interface_differences(new, seen.interface, given_up=methods_given_up(wasm))
    if differences is None:
        return CodeFindings(refusals=(), remarks=(UNREADABLE_INTERFACE,))
    breaking = Refusal(
        code="candid-breaking",
        text=f"callers of the module will fail on the new code: {_listed(differences.breaking)}",
        flags=FORCE,
    )
    lossy = Remark(
        code="candid-lossy",
        text="where the new interface and its callers differ null is read: "
        f"{_listed(differences.lossy)}",
    )
    return CodeFindings(
        refusals=(breaking,) if differences.breaking else (),
        remarks=(lossy,) if differences.lossy else (),
    )


def _memory_refusals(seen: Observation, wasm: WasmFile, *, keeps_heap: bool) -> Iterator[Refusal]:
    """A heap that the module's own limit does not allow.

    Source: interface specification, ``wasm_memory_limit``: an install checks it at its end.
    """
    limit_bytes = seen.status.settings.wasm_memory_limit_bytes
    kept_bytes = seen.status.memory_metrics.wasm_memory_bytes if keeps_heap else 0
    heap_bytes = max(wasm.heap_min_bytes, kept_bytes)
    if limit_bytes and heap_bytes > limit_bytes:
        yield Refusal(
            code="wasm-memory-limit",
            text=f"the heap of the new code has at least {heap_bytes} bytes and the setting "
            f"wasm_memory_limit allows {limit_bytes}: raise it",
            flags=FORCE,
        )


def _check_refusals(request: UpgradeRequest, wasm: WasmFile) -> Iterator[Refusal]:
    """Checks that the new code cannot pass."""
    missing = missing_methods(request.checks, wasm)
    if missing:
        yield Refusal(
            code="check-method-missing",
            text="the new Wasm has no such method, so these checks cannot hold: "
            f"{_listed([check.text for check in missing])}",
            flags=FORCE,
        )
    misfitting = [misfit for misfit in misfits(request.checks, wasm) if misfit.check not in missing]
    if misfitting:
        reasons = [f"{misfit.check.text}: {misfit.problem}" for misfit in misfitting]
        yield Refusal(
            code="check-misfit",
            text=f"these checks do not fit the interface of the new Wasm: {_listed(reasons)}",
            flags=FORCE,
        )


def _data_remarks(seen: Observation, request: UpgradeRequest, wasm: WasmFile) -> Iterator[Remark]:
    """Of a heap that outlives upgrades the language's own runtime checks the types."""
    if request.reset or seen.is_persistent or seen.stable_types is None:
        return
    if metadata_of(wasm, STABLE_TYPES_METADATA) != seen.stable_types:
        yield STABLE_TYPES_DIFFER


def _listed(reasons: Sequence[str]) -> str:
    """Reasons in a row. Names in them are the module's: they may be long and hold anything."""
    shown = "; ".join(_shown(reason) for reason in reasons[:SHOWN_REASONS])
    more = len(reasons) - SHOWN_REASONS
    return f"{shown}; and {more} more" if more > 0 else shown


def _shown(reason: str) -> str:
    end = REASON_MAX_CHARS // 2
    cut = reason if len(reason) <= REASON_MAX_CHARS else f"{reason[:end]}...{reason[-end:]}"
    return "".join(letter if letter.isprintable() else "?" for letter in cut)
