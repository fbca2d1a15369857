"""Places on other machines, through fsspec, and which URL means which place."""

import contextlib
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final
from urllib.parse import SplitResult, unquote, urlsplit

from juno_snap.backup.copies.stores import (
    DirectoryStore,
    GuardedSink,
    GuardedSource,
    Sink,
    Source,
    Store,
)
from juno_snap.errors import BackupError, InputError, JunoSnapError, PreconditionError
from juno_snap.units import MIB

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

TIMEOUT_SECONDS: Final = 60
"""Of silence, before a server counts as gone."""

LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
REFUSALS: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
MESSAGE_MAX_LETTERS: Final = 300


@contextlib.contextmanager
def open_store(place: str) -> Iterator[Store]:
    """The place that a path or a URL names; nothing is made there.

    Raises:
        InputError: It is a URL of no kind that is known, or says more than a place.
        PreconditionError: The package for its kind is not installed.
        BackupError: The server does not answer, or refuses.
    """
    if "://" not in place:
        yield DirectoryStore(Path(place))
        return
    url = _parsed(place)
    if url.scheme == "file":
        yield DirectoryStore(Path(unquote(url.path)))
        return
    with contextlib.ExitStack() as stack:
        yield RemoteStore(url, stack)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of server: its name in fsspec, and its peculiarities."""

    protocol: str
    extra: str
    """What of this package brings it."""
    options: Callable[[SplitResult, dict[str, Any]], dict[str, Any]]
    """From the URL and what is configured."""
    read_block_bytes: int | None = None
    """What is fetched at a time, where its own choice would take much memory."""
    has_folders: bool = True
    has_user: bool = False
    """Whether the URL may name a user."""


def _webdav(url: SplitResult, options: dict[str, Any]) -> dict[str, Any]:
    scheme = url.scheme.removeprefix("webdav+")
    auth = options.get("auth")
    return {
        "timeout": TIMEOUT_SECONDS,
        **options,
        "auth": tuple(auth) if isinstance(auth, list) else auth,  # JSON has no tuples
        "base_url": f"{scheme}://{url.netloc}/",
    }


def _sftp(url: SplitResult, options: dict[str, Any]) -> dict[str, Any]:
    said = {"host": url.hostname, "port": url.port, "username": url.username}
    return {
        "known_hosts": (),  # those of ssh; sshfs itself would take any host
        "timeout": TIMEOUT_SECONDS,
        "keepalive_interval": TIMEOUT_SECONDS // 3,
        **options,
        **{key: value for key, value in said.items() if value is not None},
    }


def _s3(_url: SplitResult, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "use_listings_cache": False,
        # s3fs tries five times itself; times five more of botocore's a silent server takes minutes.
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
        **options,
    }


KINDS: Final[Mapping[str, Kind]] = {
    "s3": Kind(protocol="s3", extra="s3", options=_s3, read_block_bytes=8 * MIB, has_folders=False),
    "sftp": Kind(protocol="sftp", extra="remote", options=_sftp, has_user=True),
    "webdav+https": Kind(protocol="webdav", extra="remote", options=_webdav),
    "webdav+http": Kind(protocol="webdav", extra="remote", options=_webdav),
}


@final
class RemoteStore:
    """A folder on a server."""

    folder = None

    def __init__(self, url: SplitResult, stack: contextlib.ExitStack) -> None:
        """Connect, as far as its kind does so before it is asked for something."""
        self.label = url.geturl().rstrip("/")
        self._kind = KINDS[url.scheme]
        path = unquote(url.path).rstrip("/")
        self._root = path if self._kind.has_folders else f"{url.netloc}{path}"
        with self._failing():
            self._files = _filesystem(self._kind, url)
        if self._kind.protocol == "webdav":
            stack.callback(self._files.client.http.close)

    def is_empty(self) -> bool:
        """See ``Store``."""
        with self._failing():
            self._files.invalidate_cache()
            try:
                found = self._files.ls(self._root, detail=False)
            except FileNotFoundError:
                return True
        own = self._root.strip("/")
        return all(name.strip("/") == own for name in found)

    def size(self, name: str) -> int | None:
        """See ``Store``."""
        with self._failing():
            self._files.invalidate_cache()
            try:
                return int(self._files.info(self._path(name))["size"])
            except FileNotFoundError:
                return None

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[Source]:
        """See ``Store``."""
        with self._failing():
            size = self._kind.read_block_bytes
            file = self._files.open(self._path(name), "rb", block_size=size)
        try:
            yield GuardedSource(file, self._failing)
        finally:
            with contextlib.suppress(Exception):  # all that counts has been read
                file.close()

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Sink]:
        """See ``Store``."""
        with self._failing():
            file = self._files.open(self._path(name), "wb")
        try:
            yield GuardedSink(file, self._failing)
            with self._failing():
                file.close()
        except BaseException:
            with contextlib.suppress(Exception):  # what is half there is on no list
                getattr(file, "discard", file.close)()
            with contextlib.suppress(AttributeError):
                file.closed = True  # else s3fs would try again, for ever, when it is collected
            raise

    def write_small(self, name: str, data: bytes) -> None:
        """See ``Store``."""
        with self.writing(name) as sink:
            sink.write(data)

    def remove(self, name: str) -> None:
        """See ``Store``."""
        with self._failing():
            self._files.rm_file(self._path(name))

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """See ``Store``. Others are not kept away."""
        self.make_folder("")
        yield

    def make_folder(self, name: str) -> None:
        """See ``Store``. Nothing to do where there are none."""
        if self._kind.has_folders:
            with self._failing():
                self._files.makedirs(self._path(name), exist_ok=True)

    def settle(self) -> None:
        """See ``Store``. That is the server's business."""

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name).rstrip("/") or "/"

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Errors of the server, and of each library its own, as ours."""
        try:
            yield
        except JunoSnapError:
            raise
        except Exception as error:
            text = str(error).strip() or type(error).__name__
            told = text.splitlines()[0][:MESSAGE_MAX_LETTERS]
            status = getattr(error, "status_code", None)
            refused = isinstance(error, PermissionError) or status in REFUSALS
            raise BackupError(
                f"{self.label} {'refuses' if refused else 'failed'}: {told}",
                path=self.label,
                code="destination-refused" if refused else "destination-failed",
                hint=(
                    f"look at {'' if refused else 'the address, the server and '}the credentials, "
                    "which come from FSSPEC_* variables or ~/.config/fsspec; then run it again"
                ),
            ) from error


def _filesystem(kind: Kind, url: SplitResult) -> "AbstractFileSystem":
    try:
        import fsspec
        from fsspec import config

        implementation = fsspec.get_filesystem_class(kind.protocol)
    except ImportError as error:
        raise PreconditionError(
            f"{url.scheme}:// needs packages that are not installed",
            code="missing-package",
            hint=f"install them with: pip install 'juno-snap[{kind.extra}]'",
        ) from error
    configured: dict[str, dict[str, Any]] = {}
    config.set_conf_files(config.conf_dir, configured)
    config.set_conf_env(configured)
    options = kind.options(url, configured.get(kind.protocol, {}))
    return implementation(**options, skip_instance_cache=True)


def _parsed(place: str) -> SplitResult:
    try:
        url = urlsplit(place)
        url.port  # noqa: B018  # raises where it is none
    except ValueError as error:
        raise InputError("this is no URL", value=place.partition("://")[0]) from error
    if url.password is not None or url.query or url.fragment:
        raise InputError(
            f"a {url.scheme}:// place has no password, question mark or # in it",
            value=url.scheme,
            hint="credentials come from FSSPEC_* variables or ~/.config/fsspec",
        )
    if url.scheme == "file" and url.netloc in {"", "localhost"}:
        return url
    if url.scheme not in KINDS:
        known = ", ".join(f"{each}://" for each in ("file", *KINDS))
        raise InputError(f"{place} is of no kind that is known", value=place, hint=f"use {known}")
    if not url.hostname or (url.username is not None and not KINDS[url.scheme].has_user):
        raise InputError(
            f"{url.scheme}://{url.hostname or ''} does not say where, or says who",
            value=url.scheme,
            hint=f"write it as {url.scheme}://HOST/PATH",
        )
    if url.scheme == "webdav+http" and url.hostname not in LOOPBACK:
        raise InputError(
            f"{place} would send everything readable for all on the way",
            value=place,
            hint="use webdav+https://",
        )
    return url
