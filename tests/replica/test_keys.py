"""The replica's keys: random once, or the same for the same seed."""

import pytest

from juno_snap.errors import PreconditionError
from juno_snap.files import is_readable_by_others
from juno_snap.ids import Principal
from juno_snap.replica.background import KEYS_FILE
from juno_snap.replica.keys import keys_from_seed, keys_in, random_keys
from juno_snap.wire import bls, signature


def test_a_seed_makes_the_same_keys_each_time():
    keys = keys_from_seed("seed")
    assert keys == keys_from_seed("seed")
    assert keys.root_key_der != keys_from_seed("other").root_key_der
    assert keys.node_key_der != keys_from_seed("other").node_key_der


def test_keys_without_a_seed_differ():
    assert random_keys().root_key_der != random_keys().root_key_der


def test_the_subnet_is_the_principal_of_the_root_key():
    keys = keys_from_seed("seed")
    assert keys.subnet_id == Principal.self_authenticating(keys.root_key_der)
    assert keys.node_id == Principal.self_authenticating(keys.node_key_der)


def test_both_keys_sign():
    keys = keys_from_seed("seed")
    root = bls.der_to_public_key(keys.root_key_der)
    assert bls.verify(root, bls.sign(keys.root_secret, b"message"), b"message")
    node = signature.sign_ed25519(keys.node_seed, b"message")
    assert signature.verify(keys.node_key_der, b"message", node)


def test_the_representation_holds_no_secret():
    keys = keys_from_seed("seed")
    assert keys.root_secret.hex() not in repr(keys)
    assert repr(keys.root_secret) not in repr(keys)
    assert repr(keys.node_seed) not in repr(keys)


def test_a_directory_keeps_its_keys_for_its_owner_only(tmp_path):
    keys = keys_in(tmp_path, seed=None)
    assert keys_in(tmp_path, seed=None) == keys
    assert not is_readable_by_others(tmp_path / KEYS_FILE)


def test_a_directory_made_with_a_seed_can_be_opened_with_and_without_it(tmp_path):
    keys = keys_in(tmp_path, seed="seed")
    assert keys == keys_from_seed("seed")
    assert keys_in(tmp_path, seed="seed") == keys
    assert keys_in(tmp_path, seed=None) == keys


def test_another_seed_than_the_directorys_is_refused(tmp_path):
    keys_in(tmp_path, seed="seed")
    with pytest.raises(PreconditionError) as caught:
        keys_in(tmp_path, seed="other")
    assert caught.value.code == "other-keys"
    assert "--seed" in caught.value.hint


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="no map"),
        pytest.param(b'{"version": 1, "root_secret": "zz", "node_seed": ""}', id="no hex"),
        pytest.param(b'{"version": 1, "root_secret": "00", "node_seed": "00"}', id="too short"),
        pytest.param(
            b'{"version": 2, "root_secret": "%s", "node_seed": "%s"}' % (b"01" * 32, b"01" * 32),
            id="newer version",
        ),
    ],
)
def test_a_damaged_key_file_is_refused(tmp_path, content):
    (tmp_path / KEYS_FILE).write_bytes(content)
    with pytest.raises(PreconditionError) as caught:
        keys_in(tmp_path, seed=None)
    assert caught.value.code == "damaged-keys"
