"""Encrypted copies, read by another implementation of age: typage, which age's author keeps."""

import hashlib
import io
import json

import pytest

from juno_snap.backup.copies.age import decrypting
from juno_snap.backup.copies.copy import copy_backup
from juno_snap.backup.copies.stores import DirectoryStore, Incoming, Outgoing
from juno_snap.backup.layout import ENCRYPTED
from tests.motoko import require_npm_packages, run_node
from tests.unit.backup.keys import new_keys
from tests.unit.backup.snapshots import content, large, write

pytestmark = pytest.mark.interop

TEXT = "what was encrypted elsewhere, " * 10_000


def test_encrypted_copies_are_read_elsewhere_and_files_from_elsewhere_here(tmp_path):
    backup, sealed = write(tmp_path / "backup", large()), tmp_path / "sealed"
    secret, recipient = new_keys(tmp_path)
    copy_backup(DirectoryStore(backup), DirectoryStore(sealed), recipients=(recipient,))
    names = sorted(set(content(sealed)) - {ENCRYPTED})
    require_npm_packages()
    task = {
        "identity": secret.read_text(encoding="ascii").splitlines()[1],
        "recipient": recipient,
        "files": {name.removesuffix(".age"): str(sealed / name) for name in names},
        "text": TEXT,
        "out": str(tmp_path / "theirs"),
    }
    ran = run_node(["node", "clients/age.mjs"], task=json.dumps(task))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in content(backup).items()}
    assert json.loads(ran.stdout) == digests

    incoming = Incoming(io.BytesIO((tmp_path / "theirs").read_bytes()), lambda _: None)
    whole = io.BytesIO()
    outgoing = Outgoing(whole)
    decrypting(secret)(incoming, outgoing, "theirs")
    outgoing.flush()
    assert whole.getvalue().decode() == TEXT
