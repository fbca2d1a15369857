"""What a module of Juno is: its role, its release, and whether it holds functions of its own. Pure.

Newer modules say it in the metadata ``juno:package``. A satellite is *stock* where the package is
Juno's own, and *extended* where it depends on Juno's: then the release that counts is the one it
depends on. Older ones have no package: satellites from 0.0.15 on say their build in ``juno:build``,
and all of them their version when asked, which nothing certifies.

Source: juno-js, ``packages/admin``, services of versions and of packages.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeAlias, final

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from typing_extensions import override

from juno_snap.errors import InputError

Role: TypeAlias = Literal["satellite", "mission-control", "orbiter"]
Build: TypeAlias = Literal["stock", "extended"]
Evidence: TypeAlias = Literal["juno:package", "juno:build", "version", "none"]
"""What the rest was read from: certified metadata, or the answer of a query."""

PACKAGE_METADATA: Final = "juno:package"
BUILD_METADATA: Final = "juno:build"
"""Names of Juno's metadata sections. Source: juno-js, ``packages/admin``."""

VERSION_QUERY: Final = "version"
"""Of satellites up to 0.0.22, mission controls up to 0.0.14 and orbiters up to 0.0.8."""

PACKAGE_ROLES: Final[Mapping[str, Role]] = {
    "@junobuild/satellite": "satellite",
    "@junobuild/mission-control": "mission-control",
    "@junobuild/orbiter": "orbiter",
}
SATELLITE_PACKAGE: Final = "@junobuild/satellite"

BUILDS: Final[Mapping[bytes, Build]] = {b"stock": "stock", b"extended": "extended"}


VERSION_PATTERN: Final = r"^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$"
_VERSION: Final = re.compile(VERSION_PATTERN.replace("$", r"\Z"))


@final
@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version of three numbers, in the order of releases."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> "Version":
        """The version that ``text`` spells; a ``v`` before it is passed over.

        Raises:
            InputError: It is none.
        """
        found = _VERSION.match(text.removeprefix("v"))
        if found is None:
            raise InputError(
                f"{text!r} is not a version",
                value=text,
                code="invalid-version",
                hint="write it as three numbers, such as 0.1.3",
            )
        return cls(*map(int, found.groups()))

    @override
    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Content of ``juno:package``."""

    name: str
    version: str
    """Of the package itself; a developer's own where the module is extended."""
    dependencies: Mapping[str, str]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JunoModule:
    """What a module, or a Wasm, says of itself."""

    role: Role | None = None
    """None: it does not say one, or is something else."""
    version: str | None = None
    """Juno's release, as it is said."""
    build: Build | None = None
    package: Package | None = None
    evidence: Evidence = "none"
    problem: str = field(default="")
    """Why ``juno:package`` cannot be used, where it is there."""

    @property
    def is_certified(self) -> bool:
        """Whether version and role come from metadata, which of an installed module is certified.

        Without a package the version is one node's word, whatever else is certified.
        """
        return self.evidence == "juno:package"

    @property
    def release(self) -> Version | None:
        """``version``, where it is one of the kind that Juno publishes."""
        try:
            return None if self.version is None else Version.parse(self.version)
        except InputError:
            return None

    @property
    def label(self) -> str:
        """What it is, for people: never empty."""
        if self.role is not None:
            kind = f"{self.build} {self.role}" if self.build == "extended" else self.role
            return f"{kind} {self.version}" if self.version else kind
        return self.package.name if self.package else "of no known role"

    def to_json(self) -> dict[str, object]:
        """The member ``juno`` of a document."""
        return {
            "package": None if self.package is None else self.package.name,
            "package_version": None if self.package is None else self.package.version,
            "dependencies": {} if self.package is None else dict(self.package.dependencies),
            "build": self.build,
            "evidence": self.evidence,
            "certified": self.is_certified,
        }


def recognise(
    *, package: bytes | None, build: bytes | None, version: str | None = None
) -> JunoModule:
    """What a module is, by its metadata, and by its answer to the query ``version`` if it has none.

    A ``juno:package`` that is malformed says nothing, and is not replaced by weaker evidence.
    """
    if package is not None:
        try:
            return _of_package(parse_package(package))
        except InputError as error:
            return JunoModule(evidence="juno:package", problem=error.message)
    known = BUILDS.get((build or b"").strip())
    if known is not None:  # only satellites have ever had this section
        return JunoModule(role="satellite", version=version, build=known, evidence="juno:build")
    if version is not None:
        return JunoModule(version=version, evidence="version")
    return JunoModule()


def _of_package(package: Package) -> JunoModule:
    role = PACKAGE_ROLES.get(package.name)
    version: str | None = package.version
    build: Build | None = "stock" if role == "satellite" else None
    if role is None and SATELLITE_PACKAGE in package.dependencies:
        role, build = "satellite", "extended"
        version = package.dependencies[SATELLITE_PACKAGE]
    return JunoModule(
        role=role, version=version, build=build, package=package, evidence="juno:package"
    )


_Text: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,100}$")]
"""Anybody can write it, and it is shown to people."""


class _Document(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="ignore", strict=True)

    name: _Text
    version: _Text
    dependencies: dict[_Text, _Text] | None = None


def parse_package(content: bytes) -> Package:
    """The package in a ``juno:package`` section. Source: ``@junobuild/config``, package schema.

    Raises:
        InputError: It is none.
    """
    try:
        document = _Document.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = f"{first['loc'][0]}: " if first["loc"] else ""
        raise InputError(
            f"{PACKAGE_METADATA} is malformed: {place}{first['msg']}",
            value=PACKAGE_METADATA,
            code="package-malformed",
        ) from error
    return Package(
        name=document.name, version=document.version, dependencies=document.dependencies or {}
    )
