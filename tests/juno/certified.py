"""Answers that a canister on the local replica vouches for, as a gateway passes them on."""

import base64
from hashlib import sha256

from juno_snap.management.types import Install
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.wire import cbor
from juno_snap.wire.hashtree import HashTree, Labeled, Leaf, encode_tree, root_hash
from juno_snap.wire.leb128 import encode_unsigned

VOUCHER = """
(module
  (import "ic0" "msg_arg_data_size" (func $size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
  (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
  (import "ic0" "data_certificate_size" (func $certificate_size (result i32)))
  (import "ic0" "data_certificate_copy" (func $certificate_copy (param i32 i32 i32)))
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (memory 4)
  (func (export "canister_update certify")
    (call $copy (i32.const 0) (i32.const 0) (call $size))
    (call $certify (i32.const 0) (call $size))
    (call $reply))
  (func (export "canister_query certificate")
    (call $certificate_copy (i32.const 0) (i32.const 0) (call $certificate_size))
    (call $append (i32.const 0) (call $certificate_size))
    (call $reply)))
"""
"""A module that certifies the 32 bytes it is given."""

LISTED = (
    "default_certification(ValidationArgs{certification:Certification{"
    "no_request_certification: Empty{},response_certification:ResponseCertification{"
    'certified_response_headers:ResponseHeaderList{headers:["Content-Type"]}}}})'
)
EXCLUDING = (
    "default_certification(ValidationArgs{certification:Certification{"
    "no_request_certification: Empty{},response_certification:ResponseCertification{"
    "response_header_exclusions:ResponseHeaderList{headers:[]}}}})"
)


async def new_voucher(client):
    """A canister that vouches for what it is told to."""
    canister = await client.provisional_create_canister()
    await client.install_code(canister, Install(), wasm_from_text(VOUCHER), b"DIDL\x00\x00")
    return canister


async def certify(client, canister, tree: HashTree) -> bytes:
    """The certificate of ``tree`` as the canister's certified data."""
    await client.agent.call(canister, "certify", root_hash(tree))
    return await client.agent.query(canister, "certificate", b"")


def header(certificate: bytes, tree: HashTree, **more: object) -> str:
    """The header ``IC-Certificate``."""
    parts = {"certificate": certificate, "tree": cbor.encode(encode_tree(tree))}
    text = [f"{name}=:{base64.b64encode(value).decode()}:" for name, value in parts.items()]
    for name, value in more.items():
        if isinstance(value, int):
            text.append(f"{name}={value}")
        else:
            text.append(f"{name}=:{base64.b64encode(cbor.encode(value)).decode()}:")
    return ", ".join(text)


def tree_1(path: str, body: bytes) -> HashTree:
    """As in version 1 of the protocol."""
    asset = Labeled(path.encode(), Leaf(sha256(body).digest()))
    return Labeled(b"http_assets", asset)


def path_2(path: str) -> list[str]:
    """A path of version 2, exact."""
    return ["http_expr", *path.strip("/").split("/"), "<$>"]


def tree_2(path: str, body: bytes, headers: dict[str, str], expression: str) -> HashTree:
    """As in version 2; ``headers`` by lower-case name are those that count. Status 200."""
    fields = [(name.encode(), text.encode()) for name, text in headers.items()]
    fields.append((b":ic-cert-status", encode_unsigned(200)))
    fields.append((b"ic-certificateexpression", expression.encode()))
    pairs = sorted(sha256(name).digest() + sha256(text).digest() for name, text in fields)
    answer = sha256(sha256(b"".join(pairs)).digest() + sha256(body).digest()).digest()
    tree: HashTree = Labeled(answer, Leaf(b""))
    labels = [part.encode() for part in path_2(path)]
    for label in reversed([*labels, sha256(expression.encode()).digest(), b""]):
        tree = Labeled(label, tree)
    return tree
