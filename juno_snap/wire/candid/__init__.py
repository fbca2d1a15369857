"""Candid: the values of this platform as bytes and as text, on ic-py's types.

In here: the types (constructors below); ``encode`` and ``decode`` of messages; Candid text
(``parse_arguments``, ``format_reply``); interfaces (``parse_interface``, ``compare_interfaces``).
Not in here: the types of any particular canister. No object of ic-py leaves this package:
principals are ``juno_snap.ids.Principal``.
May be imported by whatever may import ``wire``.

Values: nat, int and fixed widths are ``int``; float ``float``; text ``str``; bool ``bool``; null
and reserved ``None``; ``vec nat8`` is ``bytes``, any other vec a ``list``; opt is ``None`` or the
value (``Some(value)`` only for ``opt opt``, ``opt null`` and ``opt reserved``); a record is a
``dict`` by label, or a ``tuple`` where its type is ``Tuple``; a variant is ``Tagged``; func
``FuncRef``; service and principal ``Principal``. The label of a field of which only the id N is
known is ``_N_``.
"""

from juno_snap.wire.candid.codec import TypedValue, decode, decode_untyped, encode
from juno_snap.wire.candid.fitting import parse_arguments
from juno_snap.wire.candid.interface import Interface, Method, parse_interface
from juno_snap.wire.candid.primitives import (
    BOOL,
    EMPTY,
    FLOAT32,
    FLOAT64,
    INT,
    INT8,
    INT16,
    INT32,
    INT64,
    NAT,
    NAT8,
    NAT16,
    NAT32,
    NAT64,
    NULL,
    PRINCIPAL,
    RESERVED,
    TEXT,
    CandidType,
)
from juno_snap.wire.candid.printer import format_reply
from juno_snap.wire.candid.subtype import Differences, compare_interfaces
from juno_snap.wire.candid.tokens import CandidTextError
from juno_snap.wire.candid.types import BLOB, Func, Opt, Rec, Record, Service, Tuple, Variant, Vec
from juno_snap.wire.candid.values import FuncRef, Some, Tagged

__all__ = [
    "BLOB",
    "BOOL",
    "EMPTY",
    "FLOAT32",
    "FLOAT64",
    "INT",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "NAT",
    "NAT8",
    "NAT16",
    "NAT32",
    "NAT64",
    "NULL",
    "PRINCIPAL",
    "RESERVED",
    "TEXT",
    "CandidTextError",
    "CandidType",
    "Differences",
    "Func",
    "FuncRef",
    "Interface",
    "Method",
    "Opt",
    "Rec",
    "Record",
    "Service",
    "Some",
    "Tagged",
    "Tuple",
    "TypedValue",
    "Variant",
    "Vec",
    "compare_interfaces",
    "decode",
    "decode_untyped",
    "encode",
    "format_reply",
    "parse_arguments",
    "parse_interface",
]
