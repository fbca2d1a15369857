"""Which paths of the state tree somebody may read.

Source: interface specification, "Request: Read state"; the texts are those of dfinity/ic,
``rs/http_endpoints/public/src/read_state``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from juno_snap.ids import PRINCIPAL_MAX_BYTES, Principal, RequestId
from juno_snap.replica.certify_canisters import CanisterView
from juno_snap.replica.history import History
from juno_snap.replica.ingress import BAD_REQUEST, RequestError, Targets

FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
REQUEST_ID_BYTES: Final = 32
OLD_VERSION: Final = 2

CANISTER_LEAVES: Final = {
    b"module_hash",
    b"controllers",
    b"canister_creation_timestamp",
    b"last_install_timestamp",
}
STATUS_LEAVES: Final = {b"status", b"reply", b"reject_code", b"reject_message", b"error_code"}
BOUNDARY_LEAVES: Final = {b"domain", b"ipv4_address", b"ipv6_address"}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads, through which address, and what the answer depends on."""

    sender: Principal
    targets: Targets
    target: Principal
    """The canister or the subnet in the address."""
    of_subnet: bool
    version: int
    history: History
    views: Mapping[Principal, CanisterView]
    root_subnet_id: Principal

    def check(self, paths: Sequence[tuple[bytes, ...]]) -> None:
        """Refuse paths that this reader may not see, or that nobody may.

        Raises:
            RequestError: 400 where two paths or address and path contradict each other, 403 where
                the reader is the wrong one, 404 where there is no such path.
        """
        for path in paths:
            self._check_path(path)
        self._check_one_id(paths, b"request_status")
        self._check_one_id(paths, b"canister_ranges")

    def _check_path(self, path: tuple[bytes, ...]) -> None:
        match path:
            case (b"time" | b"subnet" | b"api_boundary_nodes",):
                return
            case (b"api_boundary_nodes", _) | (b"subnet", _):
                return
            case (b"api_boundary_nodes", _, leaf) if leaf in BOUNDARY_LEAVES:
                return
            case (b"subnet", subnet_id, *rest):
                self._check_subnet(subnet_id, rest)
            case (b"canister_ranges", _) if self.of_subnet:
                return
            case (b"canister", canister_id, *rest) if not self.of_subnet:
                self._check_canister(canister_id, rest)
            case (b"request_status", request_id):
                self._check_request(request_id)
            case (b"request_status", request_id, leaf) if leaf in STATUS_LEAVES:
                self._check_request(request_id)
            case _:
                raise _no_such_path()

    def _check_subnet(self, subnet_id: bytes, rest: list[bytes]) -> None:
        match rest:
            case [b"public_key" | b"type" | b"node"] | [b"node", _] | [b"node", _, b"public_key"]:
                return
            case [b"metrics"] if self.of_subnet:
                self._check_target(_principal(subnet_id))
            case [b"canister_ranges"] if self.version == OLD_VERSION:
                return
            case [b"canister_ranges"] if _principal(subnet_id) == self.root_subnet_id:
                return
            case _:
                raise _no_such_path()

    def _check_canister(self, canister_id: bytes, rest: list[bytes]) -> None:
        match rest:
            case [leaf] if leaf in CANISTER_LEAVES:
                self._check_target(_principal(canister_id))
            case [b"metadata", name]:
                _check_utf8(name)
                canister = _principal(canister_id)
                self._check_target(canister)
                view = self.views.get(canister)
                if view is not None and not view.may_read_section(name, self.sender):
                    raise RequestError(
                        FORBIDDEN,
                        f"Custom section {name.decode():.100} can only be requested by the "
                        "controllers of the canister.",
                    )
            case _:
                raise _no_such_path()

    def _check_target(self, principal: Principal) -> None:
        if principal != self.target:
            raise RequestError(
                BAD_REQUEST,
                f"Effective principal id in URL {self.target} does not match requested "
                f"principal id: {principal}.",
            )

    def _check_request(self, request_id: bytes) -> None:
        if self.of_subnet and self.version == OLD_VERSION:
            raise _no_such_path()
        if len(request_id) != REQUEST_ID_BYTES:
            raise RequestError(
                BAD_REQUEST,
                "Invalid request id in paths. Maybe the request ID is not of "
                f"{REQUEST_ID_BYTES} bytes in length?!",
            )
        request = self.history.find(RequestId(request_id))
        if request is None:
            return
        if request.sender != self.sender:
            raise RequestError(
                FORBIDDEN, "The user tries to access Request ID not signed by the caller."
            )
        if not self.targets.allow(request.canister_id):
            raise RequestError(
                FORBIDDEN,
                "The user tries to access request IDs for canisters not belonging to sender "
                "delegation targets.",
            )
        if not self.of_subnet and request.effective_canister_id != self.target:
            raise RequestError(
                FORBIDDEN,
                f"The request was sent to the effective canister id "
                f"{request.effective_canister_id}, not to {self.target}.",
            )

    def _check_one_id(self, paths: Sequence[tuple[bytes, ...]], root: bytes) -> None:
        ids = {path[1] for path in paths if path[0] == root}
        if len(ids) > 1:
            names = " and ".join(sorted(found.hex() for found in ids)[:2])
            raise RequestError(
                BAD_REQUEST,
                f"More than one non-unique request ID exists in request_status paths: {names}."
                if root == b"request_status"
                else f"More than one subnet ID exists in canister_ranges paths: {names}.",
            )


def _principal(label: bytes) -> Principal:
    if len(label) > PRINCIPAL_MAX_BYTES:
        raise RequestError(BAD_REQUEST, f"Could not parse principal ID: it has {len(label)} bytes.")
    return Principal(label)


def _check_utf8(name: bytes) -> None:
    try:
        name.decode()
    except UnicodeDecodeError as error:
        raise RequestError(
            BAD_REQUEST, f"Could not parse the custom section name: {error.reason}."
        ) from error


def _no_such_path() -> RequestError:
    return RequestError(NOT_FOUND, "Invalid path requested.")
