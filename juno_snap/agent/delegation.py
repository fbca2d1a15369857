"""Chains of delegations: signing for an identity with another, short-lived key.

The file form is the JSON of agent-js' ``DelegationChain`` (icp-cli writes the same)::

    {"publicKey": hex, "delegations": [
        {"delegation": {"pubkey": hex, "expiration": hex, "targets"?: [hex], "permissions"?: text},
         "signature": hex}]}

Keys are DER, ``expiration`` is nanoseconds since 1970, targets are the bytes of canister ids.
Rules of a chain: interface specification, "Authentication".
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated, Final, NoReturn, final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import override

from juno_snap.agent.identity import Identity
from juno_snap.errors import DecodeError, IdentityError
from juno_snap.ids import PRINCIPAL_MAX_BYTES, Principal
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire.envelope import DELEGATIONS_MAX, TARGETS_MAX, Delegation, SignedDelegation
from juno_snap.wire.signature import verify

QUERIES_ONLY: Final = "queries"


def _hex(text: str) -> str:
    bytes.fromhex(text)
    return text


Hex = Annotated[str, AfterValidator(_hex)]
HexNumber = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{1,16}$")]
HexPrincipal = Annotated[Hex, Field(max_length=2 * PRINCIPAL_MAX_BYTES)]


class _DelegationJson(BaseModel):
    model_config = ConfigDict(defer_build=True, strict=True, extra="forbid")

    pubkey: Hex
    expiration: HexNumber
    targets: Annotated[list[HexPrincipal], Field(max_length=TARGETS_MAX)] | None = None
    permissions: str | None = None


class _SignedDelegationJson(BaseModel):
    model_config = ConfigDict(defer_build=True, strict=True)

    delegation: _DelegationJson
    signature: Hex


class _ChainJson(BaseModel):
    model_config = ConfigDict(defer_build=True, strict=True)

    public_key: Annotated[Hex, Field(alias="publicKey")]
    delegations: Annotated[
        list[_SignedDelegationJson], Field(min_length=1, max_length=DELEGATIONS_MAX)
    ]


@final
class DelegatedIdentity:
    """Signs with one key for the owner of another, as a chain of delegations allows."""

    __slots__ = ("_signer", "delegations", "principal", "public_key_der")

    def __init__(
        self, *, public_key_der: bytes, delegations: tuple[SignedDelegation, ...], signer: Identity
    ) -> None:
        self.public_key_der = public_key_der
        self.principal = Principal.self_authenticating(public_key_der)
        self.delegations = delegations
        self._signer = signer

    def sign(self, payload: bytes) -> bytes:
        """The signature by the last key of the chain."""
        return self._signer.sign(payload)

    @override
    def __repr__(self) -> str:
        return f"DelegatedIdentity({self.principal}, {len(self.delegations)} delegations)"

    @override
    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not pickled or copied")


def load_delegated(chain: bytes | str, signer: Identity, *, now_ns: int) -> DelegatedIdentity:
    """The identity at the start of the JSON ``chain``, for which ``signer`` signs.

    Checked here: the form, that the chain is for the signer's key, that no key occurs twice, that
    nothing has expired, and each signature of a kind that can be checked without the network
    (those by canisters, such as Internet Identity's, are left to the network).

    Raises:
        IdentityError: identity-malformed, identity-delegation or identity-expired.
    """
    try:
        parsed = _ChainJson.model_validate_json(chain)
    except ValidationError as error:
        raise _malformed(error) from error
    identity = DelegatedIdentity(
        public_key_der=bytes.fromhex(parsed.public_key),
        delegations=tuple(_delegation(item) for item in parsed.delegations),
        signer=signer,
    )
    _check_keys(identity, signer)
    _check_signatures(identity)
    check_usable(identity, canister_id=None, now_ns=now_ns)
    return identity


def check_usable(
    identity: Identity, *, canister_id: Principal | None, now_ns: int, updates: bool = False
) -> None:
    """Whether the delegations of ``identity`` allow a request to ``canister_id`` now.

    Raises:
        IdentityError: Expired, not for this canister, or not for update calls.
    """
    for signed in identity.delegations:
        delegation = signed.delegation
        if delegation.expires_at_ns <= now_ns:
            age = (now_ns - delegation.expires_at_ns) // NS_PER_SECOND
            until = datetime.fromtimestamp(delegation.expires_at_ns // NS_PER_SECOND, tz=UTC)
            raise IdentityError(
                f"the delegation of {identity.principal} expired {age} s ago, at "
                f"{until:%Y-%m-%dT%H:%M:%SZ}",
                code="identity-expired",
                hint="sign in again, to get a new delegation",
            )
        if updates and delegation.permissions == QUERIES_ONLY:
            raise IdentityError(
                "the delegation allows queries only",
                code="identity-delegation",
                hint="use an identity that may change the module",
            )
        targets = delegation.targets
        if canister_id is not None and targets is not None and canister_id not in targets:
            raise IdentityError(
                f"the delegation does not allow calls to {canister_id}",
                code="identity-delegation",
                hint="managing a module needs a delegation for aaaaa-aa, or for every canister",
            )


def _delegation(item: _SignedDelegationJson) -> SignedDelegation:
    fields = item.delegation
    targets = fields.targets
    return SignedDelegation(
        delegation=Delegation(
            public_key=bytes.fromhex(fields.pubkey),
            expires_at_ns=int(fields.expiration, 16),
            targets=None
            if targets is None
            else tuple(Principal(bytes.fromhex(target)) for target in targets),
            permissions=fields.permissions,
        ),
        signature=bytes.fromhex(item.signature),
    )


def _check_keys(identity: DelegatedIdentity, signer: Identity) -> None:
    keys = list(_keys(identity))
    if keys[-1] != signer.public_key_der:
        raise IdentityError(
            f"the delegation is for another key than that of {signer.principal}",
            code="identity-delegation",
            hint="use the key that the delegation was made for",
        )
    if len(set(keys)) != len(keys):
        raise IdentityError("a key occurs twice in the delegation", code="identity-delegation")


def _check_signatures(identity: DelegatedIdentity) -> None:
    for (key, _), signed in zip(pairwise(_keys(identity)), identity.delegations, strict=True):
        try:
            holds = verify(key, signed.delegation.signing_payload(), signed.signature)
        except DecodeError:
            continue  # a canister's or a browser's signature
        if not holds:
            raise IdentityError(
                "a signature in the delegation does not hold", code="identity-delegation"
            )


def _keys(identity: DelegatedIdentity) -> Iterable[bytes]:
    yield identity.public_key_der
    for signed in identity.delegations:
        yield signed.delegation.public_key


def _malformed(error: ValidationError) -> IdentityError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return IdentityError(
        f"the delegation is malformed{' at ' + place if place else ''}: {first['msg']}",
        code="identity-malformed",
    )
