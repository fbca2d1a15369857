"""The list of published releases, and what lies between two of them. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias, final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from juno_snap.errors import DecodeError, NotFoundError
from juno_snap.juno.roles import VERSION_PATTERN, Role, Version

FILE_STEMS: Final[Mapping[Role, str]] = {
    "satellite": "satellite",
    "mission-control": "mission_control",
    "orbiter": "orbiter",
}
"""Names of the roles in files and documents. Source: Juno's CLI, ``upgrade`` services."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What is published."""

    versions: Mapping[Role, tuple[Version, ...]]
    """Of each role, the oldest first."""
    tags: Mapping[tuple[Role, Version], tuple[str, ...]]
    """The releases of Juno as a whole that a version is part of, in the order of the list."""

    def latest(self, role: Role) -> Version:
        """The newest version of ``role``."""
        return self.versions[role][-1]

    def choose(self, role: Role, version: Version) -> Version:
        """``version``, if it is published.

        Raises:
            NotFoundError: It is not.
        """
        if version not in self.versions[role]:
            raise NotFoundError(
                f"there is no release {version} of the {role}; the newest is {self.latest(role)}",
                code="release-not-found",
                hint=f"juno-snap releases -t {role} lists them",
            )
        return version


def releases_between(
    published: Iterable[Version], installed: Version, wanted: Version
) -> tuple[Version, ...]:
    """The releases after ``installed`` up to ``wanted``, which is the last of them; oldest first.

    More than one: going straight to ``wanted`` skips a release. None: ``wanted`` is not newer.
    """
    return tuple(sorted({each for each in published if installed < each <= wanted}))


def file_name(role: Role, version: Version) -> str:
    """The name under which a release is published."""
    return f"{FILE_STEMS[role]}-v{version}.wasm.gz"


def version_in(name: str) -> tuple[Role, Version] | None:
    """What ``file_name`` made ``name`` of, if it did."""
    for role, stem in FILE_STEMS.items():
        found = re.fullmatch(rf"{stem}-v(\d+\.\d+\.\d+)\.wasm\.gz", name)
        if found is not None:
            return role, Version.parse(found[1])
    return None


_Number: TypeAlias = Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
_Numbers: TypeAlias = Annotated[list[_Number], Field(min_length=1)]


class _Release(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="ignore", strict=True)

    tag: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$")]
    satellite: _Number | None = None
    mission_control: _Number | None = None
    orbiter: _Number | None = None


class _Document(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="ignore", strict=True)

    satellites: _Numbers
    mission_controls: _Numbers
    orbiters: _Numbers
    releases: list[_Release] = Field(default_factory=list)


def parse_catalogue(data: bytes, *, url: str) -> Catalogue:
    """The list in a ``metadata.json``; ``url`` is where it came from, for messages.

    Source: Juno's CLI, ``admin`` schema of the releases' metadata. The lists are promised to be
    neither sorted nor without repetition.

    Raises:
        DecodeError: It is no such list.
    """
    try:
        document = _Document.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise DecodeError(
            f"{url} is not a list of releases: {f'{place}: ' if place else ''}{first['msg']}",
            code="releases-malformed",
            hint="check the address of the releases: juno-snap config show --origins",
        ) from error
    lists: dict[Role, list[str]] = {
        "satellite": document.satellites,
        "mission-control": document.mission_controls,
        "orbiter": document.orbiters,
    }
    tags: dict[tuple[Role, Version], tuple[str, ...]] = {}
    for release in document.releases:
        for role, stem in FILE_STEMS.items():
            number: str | None = getattr(release, stem)
            if number is not None:
                key = (role, Version.parse(number))
                tags[key] = (*tags.get(key, ()), release.tag)
    return Catalogue(
        versions={
            role: tuple(sorted(set(map(Version.parse, numbers)))) for role, numbers in lists.items()
        },
        tags=tags,
    )
