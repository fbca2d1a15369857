"""Keys as Juno and agent-js write them."""

import base64
import json

import pytest

from juno_snap.agent.identity import check_not_revoked, generate_ed25519
from juno_snap.errors import IdentityError
from juno_snap.juno.credentials.token import is_key_json, read_key_json, read_token

SEED = bytes([7]) * 32
KEY = generate_ed25519(SEED)
PUBLIC = KEY.public_key_der.hex()
PAIR = [PUBLIC, SEED.hex()]
OTHER = generate_ed25519(bytes([8]) * 32)


def token(document) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def test_the_principal_is_the_one_of_the_public_half():
    principal = "tek7g-2zmny-nzjwg-ansf7-rkxv6-z32x6-3flbb-ous5d-pygjx-wkhlc-jae"
    assert str(read_token(token({"token": PAIR})).principal) == principal


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(token({"token": PAIR}).rstrip("="), id="without padding"),
        pytest.param(f" {token({'token': PAIR})}\n", id="with blanks around it"),
        pytest.param(f"\ufeff{token({'token': PAIR})}\r\n", id="as an editor saved it"),
        pytest.param(token({"token": [PUBLIC.upper(), SEED.hex().upper()]}), id="upper case"),
        pytest.param(
            token({"token": [PUBLIC, SEED.hex() + KEY.public_key_der[-32:].hex()]}), id="64 bytes"
        ),
        pytest.param(token({"token": PAIR, "name": "ci"}), id="with more in it"),
    ],
)
def test_a_token_is_read_as_it_comes(text):
    assert read_token(text).principal == KEY.principal


def test_json_of_agent_js_is_a_key_too():
    data = json.dumps(PAIR).encode()
    assert is_key_json(data)
    assert read_key_json(data, "key.json").principal == KEY.principal
    assert not is_key_json(KEY.to_pem())


def test_a_mark_that_editors_put_before_a_key_is_passed_over():
    data = b"\xef\xbb\xbf" + json.dumps({"token": PAIR}, indent=2).replace("\n", "\r\n").encode()
    assert is_key_json(data)
    assert read_key_json(data, "key.json").principal == KEY.principal


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("%%%", "is not base64", id="no base64"),
        pytest.param("A", "is not base64", id="cut off"),
        pytest.param("abcé", "is not base64", id="no ASCII"),
        pytest.param(token("x"), "is no key", id="another document"),
        pytest.param(base64.b64encode(b"\xff").decode(), "is no key", id="no text"),
        pytest.param(token({}), "is no key", id="nothing"),
        pytest.param(token({"token": PAIR[:1]}), "is no key", id="one half"),
        pytest.param(token({"token": [PUBLIC, "xy" * 32]}), "not hexadecimal", id="no digits"),
        pytest.param(token({"token": [PUBLIC, SEED.hex()[2:]]}), "length", id="too short"),
        pytest.param(
            token({"token": [OTHER.public_key_der.hex(), SEED.hex()]}), "halv|half", id="two keys"
        ),
    ],
)
def test_what_is_no_token_is_told_without_a_word_of_it(text, said):
    with pytest.raises(IdentityError, match=said) as caught:
        read_token(text)
    assert caught.value.code == "identity-malformed"
    assert caught.value.message.startswith("JUNO_TOKEN ")
    error = caught.value
    while error is not None:
        assert SEED.hex()[2:20] not in f"{error!r} {error}"
        error = error.__cause__ or error.__context__


def test_the_key_that_everybody_has_is_refused():
    revoked = generate_ed25519(bytes(32))
    with pytest.raises(IdentityError, match="revoked") as caught:
        check_not_revoked(revoked)
    assert caught.value.code == "identity-revoked"
    check_not_revoked(KEY)
