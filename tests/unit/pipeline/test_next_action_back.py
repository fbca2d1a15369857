"""What comes next after a check, after an interruption, and when an operation is taken up again.

``program | what was recorded | what comes next``; see ``notation`` for the words.
"""

from dataclasses import replace

import pytest

from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.next_action import next_action
from tests.unit.pipeline.notation import chain, records_of, told
from tests.unit.pipeline.programs import (
    NEW_HASH,
    before,
    create_program,
    install_change,
    restore_program,
    upgrade_program,
)

CHECKS = (parse_check('ok() == ("yes")'),)
PROGRAMS = {
    "upgrade": upgrade_program(checks=CHECKS),
    "stays": upgrade_program(checks=CHECKS, goes_back=False),
    "unsaved": upgrade_program(checks=CHECKS, save=None, goes_back=False),
    "chunked": upgrade_program(change=install_change(is_chunked=True), checks=CHECKS),
    "no-stop": upgrade_program(sends_stop=False, sends_start=False, goes_back=False),
    "leave": upgrade_program(before=before(status="stopped"), sends_start=False, goes_back=False),
    "restore": restore_program(),
    "create": create_program(),
}
INSTALLED = "stop snapshot install"
CHECKED = f"{INSTALLED} start verify"
BAD = f"{CHECKED} check=bad"


@pytest.mark.parametrize(
    ("name", "recorded", "expected"),
    [
        ("upgrade", f"{CHECKED} check", "upgraded"),
        ("upgrade", BAD, "do <stop"),
        # Only where that is certain to be the state before, and was wanted.
        ("stays", BAD, "failed, check"),
        ("unsaved", "stop install start verify check=bad", "failed, check"),
        ("upgrade", "stop snapshot@19 install start verify check=bad", "failed, check"),
        # Not where nobody could say whether it is good, or too late.
        ("upgrade", f"{CHECKED} check=open", "unknown, check, go on"),
        ("upgrade", f"{CHECKED} check=cancelled", "unknown, check, go on"),
        ("upgrade", f"{CHECKED} wait:590 check=bad", "do <stop"),
        ("upgrade", f"{CHECKED} wait:601 check=bad", "failed, check"),
        # The round that counts is the last one.
        ("upgrade", f"stop snapshot@9 install~ wait:10 start wait:30 {BAD}", "do <stop"),
    ],
)
def test_after_the_check(name, recorded, expected):
    assert told(next_action(PROGRAMS[name], records_of(recorded))) == expected


# Version 20 before the install; install, start, stopping and stopped make it 24.
BACK = [
    ("", "do <stop"),
    ("<stop", "do <safety-snapshot"),
    ("<stop <safety-snapshot@24", "do <load"),
    ("<stop <safety-snapshot@24 <load", "do <start"),
    ("<stop <safety-snapshot@24 <load <start", "do <verify"),
    ("<stop <safety-snapshot@24 <load <start <verify", "rolled-back, check"),
    # Whatever fails, it serves.
    ("<stop! <start", "failed, <stop"),
    ("<stop^", "do <start"),
    ("<stop^! <start <settle", "failed, <stop"),
    ("<stop?", "do <start"),
    ("<stop? <start", "settle <stop 7"),
    ("<stop+9 <start <settle", "do <stop"),
    ("<stop=disturbed", "failed, <stop"),
    ("<stop <safety-snapshot? <start", "settle <safety-snapshot 8"),
    ("<stop <safety-snapshot <start <settle", "do <stop"),
    ("<stop <safety-snapshot@24 <load!", "do <start"),
    ("<stop <safety-snapshot@24 <load! <start", "failed, <load"),
    ("<stop <safety-snapshot@24 <load? <start", "settle <load 9"),
    ("<stop <safety-snapshot@24 <load <start <settle", "do <verify"),
    ("<stop <safety-snapshot@24 <load <start!", "wait <2"),
    (
        "<stop <safety-snapshot@24 <load <start! <wait:2 <start! <wait:2 <start!",
        "failed, <start, go on",
    ),
    ("<stop <safety-snapshot@24 <load <start <verify=open", "unknown, <verify, go on"),
    ("<stop <safety-snapshot@24 <load <start <verify=hash-mismatch", "failed, <verify"),
    # The code that waits for the load is known to be bad, so there is more patience, and an end.
    ("<stop <safety-snapshot@24 <load~", "wait <5"),
    ("<stop <safety-snapshot@24 <load~ <wait:5 <load~ <wait:5 <load~", "wait <5"),
    ("<stop <safety-snapshot@24 <load~ <wait:15 <load~", "do <start"),
    ("<stop <safety-snapshot@24 <load~ <wait:15 <load~ <start", "failed, <load"),
]


@pytest.mark.parametrize(("recorded", "expected"), BACK)
def test_on_the_way_back(recorded, expected):
    assert told(next_action(PROGRAMS["upgrade"], records_of(f"{BAD} {recorded}"))) == expected


@pytest.mark.parametrize(
    ("end", "version", "expected"),
    [
        pytest.param("!", 24, "do <load", id="refused, nobody else has written"),
        pytest.param("!", 25, "do <start", id="refused, somebody has"),
        pytest.param("! <start", 25, "failed, <safety-snapshot", id="refused, and it serves"),
        pytest.param("-", 24, "do <start", id="it never arrived"),
    ],
)
def test_without_a_safety_snapshot_only_what_we_did_ourselves_is_lost(end, version, expected):
    records = records_of(f"{BAD} <stop <safety-snapshot{end}")
    records[7] = _at(records[7], version)
    assert told(next_action(PROGRAMS["upgrade"], records)) == expected


def _at(record, version):
    return replace(record, seen={"version": version})


def test_a_second_stop_of_a_stopped_module_counts_once():
    """Stopped at 24; somebody starts it (25) and writes (26); stopped again at 28."""
    records = records_of(f"{BAD} <stop+8 resume <stop <safety-snapshot!")
    records[-1] = _at(records[-1], 28)
    assert told(next_action(PROGRAMS["upgrade"], records)) == "do <start"


HALTED = [
    ("upgrade", "", "interrupted"),
    ("chunked", "stage", "interrupted"),
    ("upgrade", "stop", "do start"),
    ("upgrade", "stop start", "interrupted"),
    ("upgrade", "stop.", "do start"),
    ("upgrade", "stop. start", "settle stop 1"),
    ("upgrade", "stop+2 start", "do start"),
    ("upgrade", "stop+2 start start", "interrupted"),
    ("upgrade", "stop snapshot. start", "settle snapshot 2"),
    ("upgrade", "stop snapshot start", "interrupted"),
    ("upgrade", "stop snapshot install. start", "settle install 3"),
    # The new code runs and nobody has looked at it: there is something to go on with.
    ("upgrade", "stop snapshot install start", "interrupted, go on"),
    ("upgrade", "stop snapshot install start.", "settle start 4"),
    ("upgrade", f"{CHECKED} check=cancelled", "interrupted, go on"),
    ("upgrade", f"{BAD} <stop", "do <start"),
    ("upgrade", f"{BAD} <stop <start", "interrupted, go on"),
    ("upgrade", "stop start! wait:2", "do start"),
    ("upgrade", "stop start! wait:2 start! wait:2 start!", "failed, start, go on"),
    ("upgrade", "stop install~ wait:5", "do start"),
    ("no-stop", "snapshot.", "settle snapshot 1"),
    ("leave", "stop snapshot", "interrupted"),
    ("restore", "stop safety-snapshot load start", "interrupted, go on"),
    ("create", "stop snapshot start", "interrupted"),
]


@pytest.mark.parametrize(("name", "recorded", "expected"), HALTED)
def test_when_somebody_ends_the_run(name, recorded, expected):
    assert told(next_action(PROGRAMS[name], records_of(recorded), wish="halt")) == expected


RUNS, STOPS = chain("running"), chain("stopped")
NEW = chain("running", code=NEW_HASH)
RESUMED = [
    # The same bytes are sent again.
    ("upgrade", "stop. resume", RUNS, "settle stop 1"),
    ("upgrade", "stop snapshot. resume", STOPS, "settle snapshot 2"),
    ("upgrade", "stop snapshot install. resume", STOPS, "settle install 3"),
    ("upgrade", "stop snapshot install start. resume", STOPS, "settle start 4"),
    # It is as it was left.
    ("chunked", "stage. resume", RUNS, "do stage"),
    ("upgrade", "stop resume", STOPS, "do snapshot"),
    ("upgrade", "stop snapshot resume", STOPS, "do install"),
    ("upgrade", "stop snapshot install resume", STOPS, "do start"),
    ("upgrade", f"{INSTALLED} start resume", NEW, "do verify"),
    ("upgrade", f"{INSTALLED} start verify. resume", NEW, "do verify"),
    ("upgrade", f"{CHECKED} check. resume", NEW, "do check"),
    ("upgrade", f"{CHECKED} check resume", NEW, "upgraded"),
    # Somebody has started it, or written to it: stop, and save what is there now.
    ("upgrade", "stop resume", RUNS, "do stop"),
    ("upgrade", "stop snapshot resume", RUNS, "do stop"),
    ("upgrade", "stop snapshot resume", chain("stopped", version=22), "do stop"),
    ("upgrade", "stop snapshot resume stop snapshot", None, "do install"),
    # We had started it ourselves.
    ("upgrade", "stop start resume", RUNS, "do stop"),
    ("upgrade", "stop snapshot install~ start wait:30. resume", RUNS, "do stop"),
    # What had failed stays failed.
    ("upgrade", "stop snapshot install! resume", STOPS, "do start"),
    ("upgrade", "stop snapshot install! start resume", RUNS, "failed, install"),
    # What could not be judged is judged again.
    ("upgrade", f"{CHECKED} check=open resume", NEW, "do check"),
    ("upgrade", f"{CHECKED} check=cancelled resume", NEW, "do check"),
    ("upgrade", f"{INSTALLED} start verify=open resume", NEW, "do verify"),
    # It was found to be bad, and now is late.
    ("upgrade", f"{BAD} resume", NEW, "do <stop"),
    ("upgrade", f"{BAD} resume:900", NEW, "failed, check"),
    # On its way back it goes on, however late.
    ("upgrade", f"{BAD} <stop resume:900", chain("stopped"), "do <safety-snapshot"),
    ("upgrade", f"{BAD} <stop resume:900", NEW, "do <stop"),
    ("upgrade", f"{BAD} <stop <safety-snapshot. resume", STOPS, "settle <safety-snapshot 8"),
    ("upgrade", f"{BAD} <stop <safety-snapshot <load resume", STOPS, "do <start"),
    # A start from before the stop was settled is none.
    ("upgrade", "stop+5 start resume settle resume snapshot install", None, "do start"),
]


@pytest.mark.parametrize(("name", "recorded", "seen", "expected"), RESUMED)
def test_when_it_is_taken_up_again(name, recorded, seen, expected):
    assert told(next_action(PROGRAMS[name], records_of(recorded), seen)) == expected


GONE_BACK_ON = [
    ("upgrade", "resume", RUNS, "rolled-back"),
    ("upgrade", "stop resume", STOPS, "do start"),
    ("upgrade", "stop resume start", None, "rolled-back"),
    ("upgrade", "stop snapshot install. resume", STOPS, "settle install 3"),
    ("upgrade", f"{INSTALLED} resume", STOPS, "do <stop"),
    ("upgrade", f"{INSTALLED} start resume", NEW, "do <stop"),
    ("stays", f"{CHECKED} check=open resume:90000", NEW, "do <stop"),
    ("unsaved", "stop install start verify resume", NEW, "failed, verify"),
    ("leave", f"{INSTALLED} verify=open resume <stop <safety-snapshot <load", None, "do <verify"),
    ("restore", "stop safety-snapshot resume", STOPS, "do start"),
    ("restore", "stop safety-snapshot resume start", None, "rolled-back"),
]


@pytest.mark.parametrize(("name", "recorded", "seen", "expected"), GONE_BACK_ON)
def test_when_a_person_wants_it_back(name, recorded, seen, expected):
    action = next_action(PROGRAMS[name], records_of(recorded), seen, wish="back")
    assert told(action) == expected
