"""Whether a canister vouches for the body of an HTTP answer (header ``IC-Certificate``). Pure.

Source: HTTP gateway protocol specification, "Response Verification", versions 1 and 2.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, final
from urllib.parse import unquote

from juno_snap.errors import DecodeError, TrustError
from juno_snap.ids import Principal
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire import cbor
from juno_snap.wire.certificate import CanisterScope, verify_certificate
from juno_snap.wire.hashtree import (
    Found,
    FoundTree,
    HashTree,
    NoValueError,
    check_well_formed,
    decode_tree,
    lookup,
    lookup_subtree,
    root_hash,
)
from juno_snap.wire.leb128 import encode_unsigned

HEADER: Final = "ic-certificate"
EXPRESSION_HEADER: Final = "ic-certificateexpression"
CANISTER_HEADER: Final = "x-ic-canister-id"

MAX_AGE_NS: Final = 24 * 3600 * NS_PER_SECOND
"""A release never changes, so that an answer that a proxy has kept for a while is as good."""

STATUS_LABEL: Final = ":ic-cert-status"

ADDED_BY_OTHERS: Final = frozenset(
    {
        HEADER, "accept-ranges", "access-control-allow-credentials", "access-control-allow-headers",
        "access-control-allow-methods", "access-control-allow-origin",
        "access-control-expose-headers", "access-control-max-age", "age", "alt-svc", "connection",
        "content-length", "date", "keep-alive", "server", "transfer-encoding", "vary", "via",
    }
)  # fmt: skip
"""Headers that gateways and proxies add to what a canister says, beside those with ``x-ic-`` and
``x-request-id``. Leaving one out can only make a good answer unverifiable, never a bad one good."""

_PART: Final = re.compile(r"\s*([a-z_]+)=(?::([^:]*):|([0-9]+))\s*")
_LIST: Final = re.compile(
    r"(certified_response_headers|response_header_exclusions):"
    r"ResponseHeaderList\{headers:\[([^\]]*)\]\}"
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """What the certificate of an answer proves."""

    ok: bool
    """A canister vouches for the body; if not, that could not be told either way."""
    detail: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedAnswer:
    """An answer with status 200, whole. ``headers`` by lower-case name, ``path`` as requested."""

    path: str
    headers: Mapping[str, str]
    body_sha256: bytes


def check_answer(
    answer: CertifiedAnswer, *, canister: Principal | None, root_key: bytes, now_ns: int
) -> Vouched:
    """What the certificate of ``answer`` proves. ``canister`` is the one that has to vouch.

    Where that is not known, it is the one that the answer names, which proves less.

    1. The certificate holds, for that canister, with ``root_key``.
    2. The tree beside it is the canister's certified data.
    3. The tree has the body, under the path that was asked for: in version 1 its hash, in version 2
       a hash of status, headers and body under the expression that says which headers count.

    Raises:
        TrustError: One of these is wrong.
    """
    parts = _parts(answer.headers.get(HEADER, ""))
    if parts is None:
        return Vouched(ok=False, detail="the answer has no certificate")
    named = answer.headers.get(CANISTER_HEADER)
    if canister is None and named is None:
        return Vouched(ok=False, detail="which canister answers is not known")
    vouching = canister or Principal.parse(named or "")
    certificate = verify_certificate(  # 1
        parts["certificate"],
        root_key=root_key,
        scope=CanisterScope(vouching),
        now_ns=now_ns,
        max_age_ns=MAX_AGE_NS,
    )
    tree = _tree(parts["tree"])
    certified = _value(certificate.tree, [b"canister", vouching.raw, b"certified_data"])
    if certified != root_hash(tree):  # 2
        raise _wrong(f"what it shows is not the certified data of {vouching}")
    by = f"canister {vouching}" if canister else f"canister {vouching}, as the answer names it,"
    if parts.get("version", b"1") == b"1":  # 3
        return _check_version_1(answer, tree, by)
    return _check_version_2(answer, tree, parts, by)


def _check_version_1(answer: CertifiedAnswer, tree: HashTree, by: str) -> Vouched:
    path = unquote(answer.path)
    if _value(tree, [b"http_assets", path.encode()]) != answer.body_sha256:
        raise _wrong(f"it is not for this answer to {path}")
    return Vouched(ok=True, detail=f"{by} vouches for it")


def _check_version_2(
    answer: CertifiedAnswer, tree: HashTree, parts: Mapping[str, bytes], by: str
) -> Vouched:
    expression = answer.headers.get(EXPRESSION_HEADER, "")
    compact = expression.replace(" ", "").replace("\n", "")
    path = [cbor.as_text(part, "a path") for part in _list(parts.get("expr_path", b""))]
    if path != ["http_expr", *unquote(answer.path).strip("/").split("/"), "<$>"]:
        raise _wrong(f"it is for another path: {'/'.join(path)}")
    place = [*(part.encode() for part in path), sha256(expression.encode()).digest()]
    if not isinstance(lookup_subtree(tree, place), FoundTree):
        raise _wrong("it does not have the expression of this answer")
    listed = _LIST.search(compact)
    if "no_request_certification" not in compact or listed is None:
        return Vouched(ok=False, detail="the certificate does not cover the answer alone")
    names = [name.strip('"').lower() for name in listed[2].split(",") if name]
    excludes = listed[1] == "response_header_exclusions"
    chosen = list(_chosen(answer.headers, names, excludes=excludes))
    digest = _answer_hash(chosen, expression, answer.body_sha256)
    if _value(tree, [*place, b"", digest]) is not None:
        return Vouched(ok=True, detail=f"{by} vouches for it")
    if excludes:
        detail = "headers were changed on the way, so that the certificate cannot be compared"
        return Vouched(ok=False, detail=detail)
    raise _wrong("it is for another answer")


def _chosen(
    headers: Mapping[str, str], names: Sequence[str], *, excludes: bool
) -> Iterator[tuple[str, str]]:
    """The headers that count."""
    for name, value in headers.items():
        is_listed = name in names
        is_added = name in ADDED_BY_OTHERS or name.startswith("x-ic-") or name == "x-request-id"
        if name != EXPRESSION_HEADER and (
            (not is_listed and not is_added) if excludes else is_listed
        ):
            yield name, value


def _answer_hash(headers: Sequence[tuple[str, str]], expression: str, body: bytes) -> bytes:
    """Source: "Response Hash Calculation"; status 200."""
    fields = [(name.encode(), value.encode()) for name, value in headers]
    fields += [
        (EXPRESSION_HEADER.encode(), expression.encode()),
        (STATUS_LABEL.encode(), encode_unsigned(200)),
    ]
    hashed = sorted(sha256(name).digest() + sha256(value).digest() for name, value in fields)
    return sha256(sha256(b"".join(hashed)).digest() + body).digest()


def _parts(header: str) -> dict[str, bytes] | None:
    """The header's members, decoded; none where there is no certificate and no tree."""
    parts: dict[str, bytes] = {}
    for piece in header.split(","):
        match = _PART.fullmatch(piece)
        if match is None:
            continue
        try:
            plain = base64.b64decode(match[2], validate=True) if match[2] is not None else b""
        except ValueError as error:
            raise _wrong(f"its {match[1]} is not base64") from error
        parts[match[1]] = match[3].encode() if match[3] else plain
    if not header:
        return None
    if "certificate" not in parts or "tree" not in parts:
        raise _wrong("it lacks its certificate or its tree")
    return parts


def _value(tree: HashTree, path: Sequence[bytes]) -> bytes | None:
    try:
        found = lookup(tree, path)
    except NoValueError:
        return None
    return found.value if isinstance(found, Found) else None


def _tree(data: bytes) -> HashTree:
    try:
        tree = decode_tree(cbor.decode(data))
        check_well_formed(tree)
    except DecodeError as error:
        raise _wrong(error.message) from error
    return tree


def _list(data: bytes) -> list[object]:
    try:
        return cbor.as_list(cbor.decode(data), "a path")
    except DecodeError as error:
        raise _wrong(error.message) from error


def _wrong(why: str) -> TrustError:
    return TrustError(
        f"the certificate of the download does not hold: {why}",
        code="release-certificate",
        hint="nothing was installed; try another network connection, and tell Juno if it stays so",
    )
