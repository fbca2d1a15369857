"""The ``checksums.txt`` of a release. Pure."""

import re
from typing import Final

from juno_snap.juno.releases.model import FILE_STEMS, file_name
from juno_snap.juno.roles import Role, Version

_LINE: Final = re.compile(r"([0-9a-fA-F]{64})\s+\*?(?:\./)?(\S+)\s*")
"""Source: GNU coreutils, ``sha256sum``, output format."""


def published_checksum(text: bytes, role: Role, version: Version) -> bytes | None:
    """The SHA-256 that a release's ``checksums.txt`` gives for the file of ``role``.

    The file is listed under its full name, or without the version, which the release itself gives.
    None where it is not listed, or in two ways that contradict each other. Source: junobuild/juno,
    release workflow.
    """
    full, short = file_name(role, version), f"{FILE_STEMS[role]}.wasm.gz"
    found: dict[str, set[bytes]] = {full: set(), short: set()}
    for line in text.decode("utf-8", errors="replace").splitlines():
        match = _LINE.fullmatch(line)
        if match is not None and match[2] in found:
            found[match[2]].add(bytes.fromhex(match[1]))
    digests = found[full] or found[short]
    return digests.pop() if len(digests) == 1 else None
