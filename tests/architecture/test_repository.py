"""What may not be kept: paths of one machine, registry hosts, generated binaries, secrets."""

import re
import subprocess

from tests.architecture.imports import ROOT

TEXT_BYTES_MAX = 1_000_000
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.])/(?:home|Users|work|farm)/[A-Za-z0-9_.-]+/"),
    "a registry host": re.compile(
        r"registry\.npmjs\.org|files\.pythonhosted\.org|pypi\.org/simple"
    ),
    "a private key": re.compile(
        r"BEGIN (?:EC |RSA |ENCRYPTED )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}"
    ),
}
BINARY_STARTS = (b"\0asm", b"\x1f\x8b", b"\x7fELF", b"PK\x03\x04", b"\x89PNG")


def tracked_files():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_binary_is_kept():
    binary = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.is_file()
        and (path.read_bytes()[:8].startswith(BINARY_STARTS) or b"\0" in path.read_bytes())
    ]
    assert binary == []


def test_nothing_of_one_machine_and_no_secret_is_kept():
    own_name = "tests/architecture/test_repository.py"
    found = []
    for path in tracked_files():
        name = str(path.relative_to(ROOT))
        if not path.is_file() or name == own_name or path.stat().st_size > TEXT_BYTES_MAX:
            continue
        text = path.read_text(encoding="utf-8")
        found += [f"{name}: {what}" for what, pattern in FORBIDDEN.items() if pattern.search(text)]
    assert found == []
