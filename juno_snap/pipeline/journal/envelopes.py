"""Signed envelopes, sealed: once its key is overwritten, nobody can read one, wherever it stands.

A sealed envelope is written once, and its pages are let go as they are; 2 MB would have to be
written again to overwrite them, while a module is stopped. The seal also shows a changed byte.
"""

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from juno_snap.database.rows import BrokenRowError

KEY_BYTES: Final = 32
NONCE: Final = bytes(12)
"""May be the same each time: a key seals one envelope. Source: NIST SP 800-38D, section 8."""


def seal(body: bytes, request_id: bytes) -> tuple[bytes, bytes]:
    """The new key of an envelope, and the envelope sealed with it, for that call only."""
    key = secrets.token_bytes(KEY_BYTES)
    return key, AESGCM(key).encrypt(NONCE, body, request_id)


def unseal(sealed: object, key: bytes, request_id: bytes) -> bytes:
    """The envelope that was sealed.

    Raises:
        BrokenRowError: It is gone or not what was written.
    """
    try:
        return AESGCM(key).decrypt(NONCE, sealed if isinstance(sealed, bytes) else b"", request_id)
    except InvalidTag as error:
        raise BrokenRowError("a signed call was changed") from error
