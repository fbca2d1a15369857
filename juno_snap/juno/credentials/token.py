"""Keys as Juno and agent-js write them: two hexadecimal texts, the public and the private half.

Forms: ``[public, private]`` (agent-js, ``Ed25519KeyIdentity.toJSON``), ``{"token": [public,
private]}`` (Juno), and the latter in base64 (the variable ``JUNO_TOKEN``). The public half is
DER; of the private half the first 32 bytes count, older versions wrote the public key after them.
"""

import base64
import binascii
import codecs
from typing import Final, TypeAlias

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from juno_snap.agent.identity import SEED_BYTES, KeyIdentity, generate_ed25519
from juno_snap.errors import IdentityError

TOKEN_VARIABLE: Final = "JUNO_TOKEN"  # noqa: S105  # the name of a variable
HOW_TO_GET: Final = "make a new access key of role Admin in Juno's Console"

MARK: Final = "\ufeff"
"""What some editors put before a text that they save."""

Pair: TypeAlias = tuple[str, str]


class _Token(BaseModel):
    model_config = ConfigDict(defer_build=True, hide_input_in_errors=True)

    token: Pair


class _KeyJson(RootModel[_Token | Pair]):
    model_config = ConfigDict(defer_build=True, hide_input_in_errors=True)


def read_token(text: str) -> KeyIdentity:
    """The key in a value of ``JUNO_TOKEN``.

    Raises:
        IdentityError: It is no such value.
    """
    packed = "".join(text.removeprefix(MARK).split()).rstrip("=")
    try:
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed(TOKEN_VARIABLE, "is not base64") from error
    return read_key_json(data, TOKEN_VARIABLE)


def is_key_json(data: bytes) -> bool:
    """Whether ``data`` is JSON, right or wrong, and no PEM."""
    return data.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in {b"{", b"["}


def read_key_json(data: bytes, source: str) -> KeyIdentity:
    """The key in JSON as Juno or agent-js write it; ``source`` is named in errors.

    Raises:
        IdentityError: It is no such key.
    """
    try:
        parsed = _KeyJson.model_validate_json(data.removeprefix(codecs.BOM_UTF8)).root
    except ValidationError as error:
        raise _malformed(source, "is no key as Juno or agent-js write it") from error
    return key_of(parsed.token if isinstance(parsed, _Token) else parsed, source)


def key_of(pair: Pair, source: str) -> KeyIdentity:
    """The key of two halves; ``source`` is named in errors.

    Raises:
        IdentityError: No Ed25519 key, or the halves are of two keys.
    """
    try:
        public, private = (bytes.fromhex(half) for half in pair)
    except ValueError as error:
        raise _malformed(source, "has a key that is not hexadecimal") from error
    if len(private) not in {SEED_BYTES, 2 * SEED_BYTES}:
        raise _malformed(source, "has a key that is not of Ed25519: its length is wrong")
    key = generate_ed25519(private[:SEED_BYTES])
    if key.public_key_der != public:
        raise _malformed(source, "is damaged: its public half is not of its private half")
    return key


def _malformed(source: str, what: str) -> IdentityError:
    return IdentityError(
        f"{source} {what}",
        code="identity-malformed",
        hint=HOW_TO_GET if source == TOKEN_VARIABLE else "",
    )
