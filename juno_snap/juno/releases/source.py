"""Where releases come from: the list, and files that may be installed."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, final
from urllib.parse import urlsplit

from juno_snap.clock import Clock, system_clock
from juno_snap.errors import (
    JunoSnapError,
    NotFoundError,
    PreconditionError,
    TransportError,
    TrustError,
)
from juno_snap.events import BytesMoved, Notice, Observer, ignore_events
from juno_snap.ids import Principal
from juno_snap.juno.releases.cache import ReleaseCache
from juno_snap.juno.releases.certificate import CertifiedAnswer, Vouched, check_answer
from juno_snap.juno.releases.checksums import published_checksum
from juno_snap.juno.releases.http import Fetched, Moved, ReleaseHttp
from juno_snap.juno.releases.model import Catalogue, file_name, parse_catalogue
from juno_snap.juno.roles import Role, Version
from juno_snap.units import MIB

CATALOGUE_MAX_BYTES: Final = 4 * MIB
CHECKSUMS_MAX_BYTES: Final = MIB
WASM_MAX_BYTES: Final = 100 * MIB
"""Largest module, unpacked, so that no larger file is one. Source: execution errors, IC0505."""

TAGS_MAX: Final = 8
"""Releases of Juno whose checksums are asked for one version: the first ones that list it."""

WASM_STARTS: Final = (b"\x1f\x8b\x08", b"\x00asm")
"""gzip and Wasm. Source: interface specification, "Canister module format"."""

NOT_WASM_TYPES: Final = ("text/", "application/json", "application/xhtml")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where releases are, without a slash at the end, and who vouches for them."""

    files: str
    """Holds ``metadata.json`` and the files."""
    checksums: str
    """Holds ``v<tag>/checksums.txt``."""
    canister: Principal | None
    """The CDN's canister; none where it is not known."""
    root_key: bytes
    """Of the network that the CDN's canister is on."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """The file of a release, and what speaks for it."""

    role: Role
    version: Version
    name: str
    data: bytes = field(repr=False)
    sha256: bytes
    is_verified: bool
    """A checksum that was published, or said by a person, is its own."""
    proofs: tuple[str, ...]
    """What was checked, for people."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Checksums:
    """What was published about a file, by tag, or why there is nothing."""

    digests: dict[bytes, str]
    problems: tuple[str, ...]


@final
class ReleaseSource:
    """The published releases."""

    def __init__(
        self, addresses: Addresses, cache: ReleaseCache, *, clock: Clock | None = None
    ) -> None:
        self._addresses = addresses
        self._cache = cache
        self._clock = clock or system_clock()
        self._http = ReleaseHttp(cache, clock=self._clock)

    @property
    def url(self) -> str:
        """Where the list is."""
        return f"{self._addresses.files}/metadata.json"

    def url_of(self, role: Role, version: Version) -> str:
        """Where a file is."""
        return f"{self._addresses.files}/{file_name(role, version)}"

    async def catalogue(self) -> Catalogue:
        """What is published.

        Raises:
            NotFoundError, TrustError, TransportError: It cannot be had.
            DecodeError: It is no list of releases.
        """
        fetched = await self._http.fetch(self.url, max_bytes=CATALOGUE_MAX_BYTES)
        return parse_catalogue(fetched.body, url=self.url)

    async def obtain(
        self,
        catalogue: Catalogue,
        role: Role,
        version: Version,
        *,
        pinned: bytes | None = None,
        may_be_unverified: bool = False,
        observer: Observer = ignore_events,
    ) -> ReleaseFile:
        """The file of a release, verified; from the cache where it is there.

        ``pinned`` is the SHA-256 that a person has said, which counts as one that is published.

        Raises:
            NotFoundError: It is not published.
            PreconditionError: No checksum of it can be had, unless it ``may_be_unverified``.
            TrustError: A checksum or the CDN's certificate is another, it is no Wasm, or a redirect
                leads elsewhere.
            TransportError: It does not come.
        """
        catalogue.choose(role, version)
        checksums = await self._checksums(catalogue, role, version)
        expected = dict(checksums.digests)
        if pinned is not None:
            expected = {pinned: "--sha256"} if not expected or pinned in expected else expected
        if not expected and not may_be_unverified:
            raise _unverified(file_name(role, version), checksums.problems)
        for digest, where in list(expected.items())[-1:]:  # an older one was perhaps replaced
            kept = self._cache.find(digest)
            if kept is not None:
                proofs = (f"kept from before, SHA-256 as published in {where}",)
                return _file(role, version, kept, is_verified=True, proofs=proofs)
        if not expected:
            text = f"no checksum of {file_name(role, version)} could be had: it is not verified"
            observer(Notice(text=text, warning=True))
        return await self._download(role, version, expected, observer)

    async def _download(
        self, role: Role, version: Version, expected: dict[bytes, str], observer: Observer
    ) -> ReleaseFile:
        url, name = self.url_of(role, version), file_name(role, version)
        fetched = await self._http.fetch(
            url, max_bytes=WASM_MAX_BYTES, moved=_telling(observer, name)
        )
        _check_content(fetched)
        digest = hashlib.sha256(fetched.body).digest()
        if expected and digest not in expected:
            raise TrustError(
                f"{url} is not what was published: its SHA-256 is {digest.hex()}, not "
                f"{' or '.join(each.hex() for each in expected)}",
                code="release-checksum",
                hint="nothing was installed; try another network connection, and tell Juno if it "
                "stays so",
            )
        vouched = self._vouched(fetched, digest)
        if expected:
            self._cache.keep(fetched.body)
        first = f"SHA-256 as published in {expected[digest]}" if expected else "no checksum"
        proofs = (first, f"certificate: {vouched.detail}")
        return _file(role, version, fetched.body, is_verified=bool(expected), proofs=proofs)

    def _vouched(self, fetched: Fetched, digest: bytes) -> Vouched:
        if not fetched.is_whole:
            return Vouched(ok=False, detail="the download was put together out of parts")
        answer = CertifiedAnswer(
            path=urlsplit(fetched.url).path, headers=fetched.headers, body_sha256=digest
        )
        addresses = self._addresses
        return check_answer(
            answer,
            canister=addresses.canister,
            root_key=addresses.root_key,
            now_ns=self._clock.now_ns(),
        )

    async def _checksums(self, catalogue: Catalogue, role: Role, version: Version) -> _Checksums:
        tags = catalogue.tags.get((role, version), ())[:TAGS_MAX]
        if not tags:
            return _Checksums(digests={}, problems=("no release of Juno lists it",))
        found = await asyncio.gather(*(self._checksum(tag, role, version) for tag in tags))
        digests: dict[bytes, str] = {}
        for tag, each in zip(tags, found, strict=True):
            if isinstance(each, bytes):
                digests.setdefault(each, f"release {tag}")
        return _Checksums(
            digests=digests, problems=tuple(each for each in found if isinstance(each, str))
        )

    async def _checksum(self, tag: str, role: Role, version: Version) -> bytes | str:
        """The checksum in one release, or why there is none."""
        url = f"{self._addresses.checksums}/v{tag.removeprefix('v')}/checksums.txt"
        try:
            fetched = await self._http.fetch(url, max_bytes=CHECKSUMS_MAX_BYTES)
        except (NotFoundError, TransportError) as error:
            return error.message
        return published_checksum(fetched.body, role, version) or f"{url} does not list it"


def _telling(observer: Observer, name: str) -> Moved:
    """Tells of what has come; a download that begins anew is not told as going back."""
    most_bytes = 0

    def moved(done_bytes: int, total_bytes: int) -> None:
        nonlocal most_bytes
        most_bytes = max(most_bytes, done_bytes)
        total = max(total_bytes, most_bytes)
        observer(BytesMoved(what=name, done_bytes=most_bytes, total_bytes=total))

    return moved


def _check_content(fetched: Fetched) -> None:
    """Refuse what is no module, such as the page of an error.

    Raises:
        TrustError: By its type or by how it begins.
    """
    kind = fetched.headers.get("content-type", "").strip().lower()
    if kind.startswith(NOT_WASM_TYPES) or not fetched.body.startswith(WASM_STARTS):
        raise TrustError(
            f"{fetched.url} is no Wasm module, but {kind or 'something without a type'}",
            code="release-not-wasm",
            hint="perhaps it is the page of an error: try again later; nothing was installed",
        )


def _file(
    role: Role, version: Version, data: bytes, *, is_verified: bool, proofs: Sequence[str]
) -> ReleaseFile:
    return ReleaseFile(
        role=role,
        version=version,
        name=file_name(role, version),
        data=data,
        sha256=hashlib.sha256(data).digest(),
        is_verified=is_verified,
        proofs=tuple(proofs),
    )


def _unverified(name: str, problems: Sequence[str]) -> JunoSnapError:
    return PreconditionError(
        f"no checksum of {name} can be had: {'; '.join(problems)}",
        code="release-unverified",
        hint="say --sha256 HEX if you know it, or --unverified-release to trust the CDN alone",
    )
