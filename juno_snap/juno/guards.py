"""What speaks against putting one module of Juno's in place of another. Pure.

Each reason against it has an option of its own that lifts it and nothing else; lifted, it is still
told. What is not known is told too, and never counts as good.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final, get_args

from juno_snap.juno.releases.model import releases_between
from juno_snap.juno.roles import JunoModule, Role, Version

Guard: TypeAlias = Literal["role-change", "stock", "downgrade", "skip"]
"""What is refused unless a person lifts it: ``--allow-role-change`` and so on."""
Allowed: TypeAlias = Literal[Guard, "unverified-release"]
"""The same, and a release of which no checksum is published."""
GUARDS: Final[tuple[Guard, ...]] = get_args(Guard)
ALLOWED: Final[tuple[Allowed, ...]] = get_args(Allowed)

STEP_FLAG: Final = "--step"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a person has said, and what is known from elsewhere, of an upgrade."""

    role: Role | None = None
    """What the module was called: by ``-t``, or in the configuration."""
    version: Version | None = None
    """The release of that role that the new Wasm is; older ones do not say it themselves."""
    published: tuple[Version, ...] | None = None
    """Every published version of the role; none where the list was not read."""
    lifted: frozenset[Guard] = frozenset()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Something that speaks against an upgrade, or that a person should know of it."""

    code: str
    """Stable, kebab-case."""
    text: str
    flags: tuple[str, ...] = ()
    """Options that lift it; none, where it has to be put right elsewhere."""
    is_refusal: bool = False


def guards_in(allowed: Collection[Allowed]) -> frozenset[Guard]:
    """Those of ``allowed`` that lift a guard."""
    return frozenset(guard for guard in GUARDS if guard in allowed)


def judge_modules(
    installed: JunoModule, new: JunoModule, terms: Terms, *, is_reset: bool = False
) -> tuple[Reason, ...]:
    """Every reason about ``new`` in place of ``installed``; refusals first come first."""
    found = [*_about_roles(installed, new, terms)]
    role = installed.role or terms.role or new.role
    if not any(reason.is_refusal for reason in found) and role is not None:
        if role == "mission-control" and is_reset:
            found.append(
                Reason(
                    code="reset-mission-control",
                    text="a mission control is never reset: it would forget its satellites, its "
                    "orbiters and who it belongs to",
                    is_refusal=True,
                )
            )
        if _identity(new) in {None, role}:  # releases of two roles have nothing in common
            found += _about_build(installed, new, terms)
            found += _about_versions(installed, new, terms, is_reset=is_reset)
    return tuple(sorted(found, key=lambda reason: not reason.is_refusal))


def _about_roles(installed: JunoModule, new: JunoModule, terms: Terms) -> Iterator[Reason]:
    if terms.role is not None and _identity(installed) not in {None, terms.role}:
        yield Reason(
            code="role-mismatch",
            text=f"it was named as the {terms.role}, but the module says that it is "
            f"{_said(installed)}: correct its id, or name it with --module",
            is_refusal=True,
        )
        return
    known = _identity(installed) or terms.role
    other = _identity(new) or (terms.role if terms.version else None)
    if known is None:
        if other is not None:
            yield Reason(
                code="role-unknown",
                text="the module does not say what it is, so nothing proves that it is what the "
                f"new Wasm is ({_said(new)})",
            )
    elif other is None:
        problem = f" ({new.problem})" if new.problem else ""
        yield _guarded(
            terms,
            "role-change",
            code="role-change",
            text=f"the module is {_said(installed, terms.role)}, and the new Wasm does not say "
            f"what it is{problem}",
        )
    elif other != known:
        yield _guarded(
            terms,
            "role-change",
            code="role-change",
            text=f"the module is {_said(installed, terms.role)}, but the new Wasm is {_said(new)}",
        )


def _about_build(installed: JunoModule, new: JunoModule, terms: Terms) -> Iterator[Reason]:
    """Functions of the developer's own must not be lost."""
    if "satellite" not in {installed.role, new.role} or new.build == "extended":
        return
    if installed.build == "extended":
        what = "a stock build" if new.build == "stock" else "a build of unknown kind"
        name = f" ({installed.package.name})" if installed.package else ""
        yield _guarded(
            terms,
            "stock",
            code="stock-over-extended",
            text=f"the module is extended{name}, and the new Wasm is {what}: the functions that "
            "were added to the module are gone with it",
        )
    elif installed.build is None:
        yield Reason(
            code="build-unknown",
            text="the module does not say whether functions were added to it; if so, they are "
            "gone with the new Wasm",
        )


def _about_versions(
    installed: JunoModule, new: JunoModule, terms: Terms, *, is_reset: bool
) -> Iterator[Reason]:
    old_release, new_release = installed.release, terms.version or new.release
    if new_release is None and installed.package is not None and new.evidence == "juno:build":
        yield _guarded(
            terms,
            "downgrade",
            code="downgrade",
            text=f"the module is {installed.label}, and the new Wasm is of before modules had a "
            "package: an older release",
        )
    elif old_release is None or new_release is None:
        whose = "the module" if old_release is None else "the new Wasm"
        yield Reason(
            code="version-unknown",
            text=f"{whose} does not say its version, so whether this is a downgrade or skips a "
            "release is not known",
        )
    elif new_release < old_release:
        yield _guarded(
            terms,
            "downgrade",
            code="downgrade",
            text=f"the module is at {old_release}, and {new_release} is older: it may not "
            "understand the data",
        )
    elif new_release > old_release:
        yield from _about_skipping(old_release, new_release, terms, is_reset=is_reset)
        if not installed.is_certified:
            yield _uncertified(old_release)
    elif not installed.is_certified:
        yield _uncertified(old_release)


def _about_skipping(
    old: Version, new: Version, terms: Terms, *, is_reset: bool
) -> Iterator[Reason]:
    """The next version in the published list is the only one that skips none."""
    if terms.published is None:
        if not _is_next_patch(old, new):
            yield Reason(
                code="skip-unknown",
                text=f"whether releases between {old} and {new} are skipped is not known: the "
                "list of published releases was not read",
            )
        return
    if new not in terms.published:
        yield Reason(code="release-unlisted", text=f"{new} is not among the published releases")
    skipped = [each for each in releases_between(terms.published, old, new) if each != new]
    if skipped:
        yield _guarded(
            terms,
            "skip",
            code="release-skipped",
            text=f"from {old} to {new} skips {', '.join(map(str, skipped))}: what they change in "
            "the data would not be done",
            is_lifted=is_reset,
            others=(STEP_FLAG,),
        )


def _is_next_patch(old: Version, new: Version) -> bool:
    """Whether no version fits between the two."""
    return (old.major, old.minor, old.patch + 1) == (new.major, new.minor, new.patch)


def _uncertified(old: Version) -> Reason:
    return Reason(
        code="version-uncertified",
        text=f"that the module is at {old} is what one node said; its code has no certified "
        "metadata of its version",
    )


def _guarded(
    terms: Terms,
    guard: Guard,
    *,
    code: str,
    text: str,
    is_lifted: bool = False,
    others: tuple[str, ...] = (),
) -> Reason:
    """A refusal, or no more than a remark where its guard is lifted."""
    is_lifted = is_lifted or guard in terms.lifted
    return Reason(
        code=code,
        text=text,
        flags=() if is_lifted else (*others, f"--allow-{guard}"),
        is_refusal=not is_lifted,
    )


def _identity(module: JunoModule) -> str | None:
    """What must not change: the role, or the package of something else of Juno's."""
    if module.role is None and module.package is not None:
        return module.package.name
    return module.role


def _said(module: JunoModule, called: Role | None = None) -> str:
    if _identity(module) is None and called is not None:
        return f"called the {called}"
    article = "an" if module.label[0] in "aeiou" else "a"
    return module.label if module.role is None else f"{article} {module.label}"
