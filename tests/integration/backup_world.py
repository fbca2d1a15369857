"""Backups as the tests of the command line make and look at them."""

import json

from juno_snap.backup.model import PARTS
from tests.integration.cli_world import ask

READS = frozenset({"canister_status", "canister_info", "list_canister_snapshots", "stored_chunks"})


def backed_up(module, folder, *words):
    made = ask("backup", "create", "--module", module, "-o", folder, *words)["backup"]
    assert made["path"] == str(folder)
    return made


def snapshots_of(module):
    return ask("snapshot", "list", "--module", module)["snapshots"]


def contents(folder):
    """All files, by their name."""
    files = (each for each in folder.rglob("*") if each.is_file())
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in files}


def slices_in(backup):
    """How many slices a backup consists of."""
    return sum(len(tuple(backup.slices(part))) for part in PARTS)


def called(log, *, after=0):
    """The methods that were called, from the line ``after`` of the request log on."""
    lines = log.read_text(encoding="utf-8").splitlines()[after:]
    records = map(json.loads, lines)
    return [each["method"] for each in records if each["kind"] == "call"]


def log_length(log):
    return len(log.read_text(encoding="utf-8").splitlines())
