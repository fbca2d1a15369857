"""Certificates: what the network vouches for, and how that is checked.

Source: interface specification, "Certification" and "Request: Read state". This module is the
face of ``certificate_form``, ``subnet_delegation`` and ``request_status``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from typing_extensions import override

from juno_snap.errors import TrustError
from juno_snap.ids import Principal, RequestId
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire import bls
from juno_snap.wire.certificate_form import (
    Certificate,
    SubnetDelegation,
    decode_certificate,
    decode_principals,
    decode_ranges,
    encode_certificate,
    find_leaf,
    signing_message,
    time_of,
)
from juno_snap.wire.hashtree import Absent, Found, FoundTree, HashTree, Unknown
from juno_snap.wire.hashtree import lookup as lookup_in
from juno_snap.wire.hashtree import lookup_subtree as lookup_subtree_in
from juno_snap.wire.request_status import (
    Done,
    Pending,
    Rejected,
    Replied,
    RequestStatus,
    StatusAbsent,
    status_in_tree,
)
from juno_snap.wire.subnet_delegation import (
    DelegationCache,
    SignatureCheck,
    check_ranges,
    decode_well_formed,
    verify_delegation,
)

__all__ = [
    "CanisterScope",
    "Certificate",
    "CertificateTimeError",
    "DelegationCache",
    "Done",
    "Pending",
    "Rejected",
    "Replied",
    "RequestStatus",
    "Scope",
    "StatusAbsent",
    "SubnetDelegation",
    "SubnetScope",
    "VerifiedCertificate",
    "decode_certificate",
    "decode_principals",
    "decode_ranges",
    "encode_certificate",
    "request_status",
    "signing_message",
    "verify_certificate",
]

DEFAULT_MAX_AGE_NS: Final = 300 * NS_PER_SECOND
"""Source: interface specification, "Request: Read state", suggests five minutes."""

DEFAULT_MAX_AHEAD_NS: Final = 300 * NS_PER_SECOND
"""Source: agent-js, ``certificate.ts``, allows five minutes either way."""

DELEGATION_MAX_AGE_NS: Final = 30 * 24 * 3600 * NS_PER_SECOND
"""Source: agent-js, ``certificate.ts``; the specification asks for a week at least."""


@final
@dataclass(frozen=True, slots=True)
class CanisterScope:
    """The certificate has to come from the subnet that hosts this canister."""

    canister_id: Principal


@final
@dataclass(frozen=True, slots=True)
class SubnetScope:
    """The certificate has to come from this subnet."""

    subnet_id: Principal


Scope: TypeAlias = CanisterScope | SubnetScope


@final
class CertificateTimeError(TrustError):
    """A certificate is too old or from the future, by this computer's clock.

    ``certificate_time_ns`` and ``now_ns`` are UTC; if a clock is wrong, they differ by its error.
    """

    def __init__(self, message: str, *, code: str, certificate_time_ns: int, now_ns: int) -> None:
        super().__init__(
            message, code=code, hint="compare this computer's clock with the real time"
        )
        self.certificate_time_ns = certificate_time_ns
        self.now_ns = now_ns

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """What each clock says."""
        return {"certificate_time_ns": self.certificate_time_ns, "now_ns": self.now_ns}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedCertificate:
    """What is left of a certificate after every check."""

    tree: HashTree
    time_ns: int
    subnet_id: Principal
    subnet_key: bytes
    """Compressed BLS key, 96 bytes, of the subnet that signed."""

    def lookup(self, path: Sequence[bytes]) -> Found | Absent | Unknown:
        """The value at ``path``. Raises ``NoValueError`` where the path leads to labels."""
        return lookup_in(self.tree, path)

    def lookup_subtree(self, path: Sequence[bytes]) -> FoundTree | Absent | Unknown:
        """The tree at ``path``."""
        return lookup_subtree_in(self.tree, path)

    def find(self, path: Sequence[bytes], what: str) -> bytes | None:
        """The value at ``path``, or None where it is proven absent.

        Raises:
            TrustError: The tree hides it (certificate-pruned); the text names ``what``.
        """
        return find_leaf(self.tree, path, what)


def verify_certificate(
    data: bytes,
    *,
    root_key: bytes,
    scope: Scope,
    now_ns: int,
    max_age_ns: int = DEFAULT_MAX_AGE_NS,
    max_ahead_ns: int = DEFAULT_MAX_AHEAD_NS,
    known: DelegationCache | None = None,
    check_signature: SignatureCheck = bls.verify,
) -> VerifiedCertificate:
    """The certificate in ``data``, after these checks; the first that fails ends it.

    1. The bytes are a certificate ("Encoding of certificates").
    2. The tree is well formed: labels increase and stand apart from values ("Lookup").
    3. The key. Without a delegation it is the root key. With one ("Delegation"):
       a. the inner certificate is one, is well formed and has no delegation itself;
       b. its signature holds with the root key;
       c. it shows the key of the subnet at ``/subnet/<id>/public_key``;
       d. it is at most 30 days old, and not from the future.
    4. The scope ("Request: Read state"): the canister is in the subnet's certified ranges, or the
       subnet is the one asked. The root subnet may speak for every canister.
    5. The signature holds with that key ("Certificate").
    6. ``/time`` is there and within ``max_age_ns`` before and ``max_ahead_ns`` after ``now_ns``.

    The caller has still to look up what it wants to know, and to tell absent from unknown.
    ``root_key`` is DER, 133 bytes. ``known`` saves step 3b for a delegation seen before.

    Raises:
        TrustError: A check failed; its code is one of certificate-malformed, -delegation, -range,
            -signature, -pruned, -stale, -ahead (the last two as ``CertificateTimeError``).
        DecodeError: ``root_key`` is not a BLS key.
    """
    root = bls.der_to_public_key(root_key)
    certificate = decode_well_formed(data, "the certificate")  # 1, 2
    subnet_id, key = Principal.self_authenticating(root_key), root
    if certificate.delegation is not None:  # 3
        subnet_id = certificate.delegation.subnet_id
        delegated = verify_delegation(certificate.delegation, root, known, check_signature)
        key = delegated.subnet_key
        what = "the subnet's delegation"
        _check_time(what, delegated.time_ns, now_ns, DELEGATION_MAX_AGE_NS, max_ahead_ns)
        if isinstance(scope, CanisterScope):  # 4
            check_ranges(delegated.tree, subnet_id, scope.canister_id)
    if isinstance(scope, SubnetScope):  # 4
        _check_subnet(subnet_id, scope.subnet_id)
    _check_signature(check_signature, key, certificate)  # 5
    tree, time_ns = certificate.tree, time_of(certificate.tree, "the certificate")  # 6
    _check_time("the certificate", time_ns, now_ns, max_age_ns, max_ahead_ns)
    return VerifiedCertificate(tree=tree, time_ns=time_ns, subnet_id=subnet_id, subnet_key=key)


def request_status(certificate: VerifiedCertificate, request_id: RequestId) -> RequestStatus:
    """What the certificate says about a call.

    Raises:
        TrustError: It hides the status (certificate-pruned), or shows something that is none
            (certificate-malformed).
    """
    return status_in_tree(certificate.tree, request_id)


def _check_subnet(signer: Principal, wanted: Principal) -> None:
    if signer != wanted:
        raise TrustError(
            f"the certificate comes from subnet {signer}, not from {wanted}",
            code="certificate-range",
        )


def _check_signature(check: SignatureCheck, key: bytes, certificate: Certificate) -> None:
    if not check(key, certificate.signature, signing_message(certificate.tree)):
        raise TrustError(
            "the signature of the certificate does not hold: this network did not make it",
            code="certificate-signature",
            hint="check that the network and its root key are the ones you mean",
        )


def _check_time(what: str, time_ns: int, now_ns: int, max_age_ns: int, max_ahead_ns: int) -> None:
    if now_ns - time_ns > max_age_ns:
        raise CertificateTimeError(
            f"{what} is {_seconds(now_ns - time_ns)} s old by this computer's clock, at most"
            f" {_seconds(max_age_ns)} s are accepted: an old answer, or this clock is fast",
            code="certificate-stale",
            certificate_time_ns=time_ns,
            now_ns=now_ns,
        )
    if time_ns - now_ns > max_ahead_ns:
        raise CertificateTimeError(
            f"{what} is {_seconds(time_ns - now_ns)} s ahead of this computer's clock, at most"
            f" {_seconds(max_ahead_ns)} s are accepted: this clock is slow, or the network's fast",
            code="certificate-ahead",
            certificate_time_ns=time_ns,
            now_ns=now_ns,
        )


def _seconds(duration_ns: int) -> str:
    return f"{duration_ns / NS_PER_SECOND:.0f}"
