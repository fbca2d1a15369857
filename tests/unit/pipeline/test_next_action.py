"""What comes next on the way to the new state: the design's rules, row by row.

``program | what was recorded | what comes next``; see ``notation`` for the words.
"""

import pytest

from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.next_action import forward_steps, next_action
from juno_snap.pipeline.program import Save
from tests.unit.pipeline.notation import records_of, told
from tests.unit.pipeline.programs import (
    before,
    create_program,
    install_change,
    restore_program,
    upgrade_program,
)
from tests.unit.pipeline.values import snapshot_id

CHECKS = (parse_check('ok() == ("yes")'),)
STOPPED = before(status="stopped")
PROGRAMS = {
    "upgrade": upgrade_program(),
    "checked": upgrade_program(checks=CHECKS),
    "chunked": upgrade_program(change=install_change(is_chunked=True, clears_last=True)),
    "cleared": upgrade_program(change=install_change(is_chunked=True, clears_first=True)),
    "tidied": upgrade_program(delete_after=(snapshot_id(0),)),
    "unsaved": upgrade_program(save=None, goes_back=False),
    "no-stop": upgrade_program(sends_stop=False, sends_start=False, goes_back=False),
    "leave": upgrade_program(before=STOPPED, sends_start=False, goes_back=False),
    "start": upgrade_program(before=STOPPED, sends_stop=False, goes_back=False),
    "restore": restore_program(),
    "discard": restore_program(save=Save(purpose="safety", is_optional=True)),
    "stopped": restore_program(sends_stop=False, sends_start=False, before=STOPPED),
    "create": create_program(),
    "reset": upgrade_program(
        change=install_change(is_reset=True),
        configuration=b"\x0d" * 32,
        checks=CHECKS,
        delete_after=(snapshot_id(0),),
    ),
}
DOWN = "stop snapshot"


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("upgrade", "stop snapshot install start verify"),
        ("checked", "stop snapshot install start verify check"),
        ("chunked", "stage stop snapshot install start verify tidy"),
        ("cleared", "clear-chunks stage stop snapshot install start verify"),
        ("tidied", "stop snapshot install start verify tidy"),
        ("unsaved", "stop install start verify"),
        ("no-stop", "snapshot install verify"),
        ("leave", "stop snapshot install verify"),
        ("start", "snapshot install start verify"),
        ("restore", "stop safety-snapshot load start verify"),
        ("stopped", "safety-snapshot load verify"),
        ("create", "stop snapshot start verify"),
        ("reset", "stop snapshot install start verify restore-configuration check tidy"),
    ],
)
def test_the_steps_of_a_program_follow_each_other(name, steps):
    program = PROGRAMS[name]
    assert " ".join(forward_steps(program)) == steps
    done = ["observe"]
    for step in steps.split():
        assert told(next_action(program, records_of(" ".join(done)))) == f"do {step}"
        done.append(step)
    good = {"upgrade": "upgraded", "restore": "restored", "snapshot": "taken"}[program.kind]
    assert told(next_action(program, records_of(" ".join(done)))) == good


FAILING = [
    # Refused for good: start, and say so.
    ("upgrade", "stop!", "do start"),
    ("upgrade", "stop! start", "failed, stop"),
    ("upgrade", "stop-", "failed, stop"),
    ("upgrade", "stop snapshot!", "do start"),
    ("upgrade", "stop snapshot! start", "failed, snapshot"),
    ("upgrade", "stop snapshot install!", "do start"),
    ("upgrade", "stop snapshot install! start", "failed, install"),
    ("upgrade", "stop snapshot install- start", "failed, install"),
    ("restore", "stop safety-snapshot! start", "failed, safety-snapshot"),
    ("discard", "stop safety-snapshot!", "do load"),
    ("discard", "stop safety-snapshot-", "do start"),
    ("restore", "stop safety-snapshot load! start", "failed, load"),
    ("create", "stop snapshot! start", "failed, snapshot"),
    ("no-stop", "snapshot install!", "failed, install"),
    ("leave", "stop snapshot install!", "failed, install"),
    ("start", "snapshot install!", "failed, install"),
    ("upgrade", "stop snapshot install start verify=hash-mismatch", "failed, verify"),
    ("upgrade", "stop snapshot install start verify=open", "unknown, verify, go on"),
    ("tidied", "stop snapshot install start verify tidy=not-tidied", "upgraded"),
    # Before the stop nothing is owed.
    ("chunked", "stage=IC0504", "failed, stage"),
    ("cleared", "clear-chunks!", "failed, clear-chunks"),
    # The chunks of a module that the network will not have are of no use.
    ("chunked", "stage stop snapshot install! start", "do tidy"),
    ("chunked", "stage stop snapshot install! start tidy", "failed, install"),
    ("chunked", "stage stop snapshot install- start", "failed, install"),
    # Nobody knows: start at once, then find out.
    ("upgrade", "stop?", "do start"),
    ("upgrade", "stop? start", "settle stop 1"),
    ("upgrade", "stop snapshot?", "do start"),
    ("upgrade", "stop snapshot? start", "settle snapshot 2"),
    ("upgrade", "stop snapshot install? start", "settle install 3"),
    ("no-stop", "snapshot install?", "settle install 2"),
    ("leave", "stop?", "settle stop 1"),
    # It was the stop, and it came after the start.
    ("upgrade", "stop+3 start settle", "do stop"),
    ("upgrade", "stop- start settle", "failed, stop"),
    # It was the snapshot, and the module has served since.
    ("upgrade", "stop snapshot start settle", "do stop"),
    ("upgrade", "stop snapshot- start settle", "failed, snapshot"),
    # It was the install: what is left is to see whether it is good.
    ("upgrade", "stop snapshot install start settle", "do verify"),
    # It cannot be found out.
    ("upgrade", "stop snapshot install? start settle?", "unknown, install, go on"),
    ("upgrade", "stop snapshot install? start settle? resume", "settle install 3"),
    ("no-stop", "snapshot install? settle?", "unknown, install, go on"),
    # A stop that takes too long is called off by the start.
    ("upgrade", "stop^", "do start"),
    ("upgrade", "stop^ start", "settle stop 1"),
    ("upgrade", "stop^! start settle", "failed, stop"),
    ("upgrade", "stop^+3 start settle", "do start"),
    ("upgrade", "stop^+3 start settle start", "failed, stop"),
    # Somebody else is at it.
    ("upgrade", "stop=disturbed", "refused, stop"),
    ("upgrade", "stop snapshot=disturbed", "do start"),
    ("upgrade", "stop snapshot install=disturbed start", "refused, install"),
]


@pytest.mark.parametrize(("name", "recorded", "expected"), FAILING)
def test_after_a_failure(name, recorded, expected):
    assert told(next_action(PROGRAMS[name], records_of(recorded))) == expected


RESETS = [
    # Set again what the code that runs is known to be, and before it is judged.
    ("verify=hash-mismatch", "failed, verify"),
    ("verify=open", "unknown, verify, go on"),
    ("verify hook:after-start=hook-failed", "do restore-configuration"),
    # The module has said no: a person decides.
    ("verify restore-configuration=IC0503", "failed, restore-configuration"),
    ("verify restore-configuration=configuration-differs", "failed, restore-configuration"),
    ("verify restore-configuration=IC0503 resume", "failed, restore-configuration"),
    # Nobody knows: it is done again by whoever goes on.
    ("verify restore-configuration=open", "unknown, restore-configuration, go on"),
    ("verify restore-configuration=open resume", "do restore-configuration"),
    ("verify restore-configuration=cancelled resume", "do restore-configuration"),
    ("verify restore-configuration.", "do restore-configuration"),
    ("verify restore-configuration=open resume restore-configuration", "do check"),
    # No for the moment.
    ("verify restore-configuration~", "wait 30"),
    ("verify restore-configuration~ wait:30", "do restore-configuration"),
    (
        "verify restore-configuration~ wait:60 restore-configuration~",
        "failed, restore-configuration",
    ),
    # What was saved is given up last.
    ("verify restore-configuration check", "do tidy"),
    ("verify restore-configuration check=bad", "do <stop"),
]


@pytest.mark.parametrize(("recorded", "expected"), RESETS)
def test_of_a_reset(recorded, expected):
    recorded = f"stop snapshot install start {recorded}"
    assert told(next_action(PROGRAMS["reset"], records_of(recorded))) == expected


STARTS = [
    ("upgrade", "start!", "wait 2"),
    ("upgrade", "start! wait:2", "do start"),
    ("upgrade", "start! wait:2 start!", "wait 2"),
    ("upgrade", "start! wait:2 start! wait:2 start", "do verify"),
    ("upgrade", "start! wait:2 start! wait:2 start!", "failed, start, go on"),
    ("upgrade", "start! wait:2 start! wait:2 start! resume", "do start"),
    ("upgrade", "start?", "settle start 4"),
    ("upgrade", "start? settle?", "unknown, start, go on"),
    ("upgrade", "start- settle", "wait 2"),
    ("start", "start!", "wait 2"),
    ("start", "start! wait:2 start", "do verify"),
]


@pytest.mark.parametrize(("name", "recorded", "expected"), STARTS)
def test_a_start_is_tried_three_times(name, recorded, expected):
    begun = "observe snapshot install" if name == "start" else "stop snapshot install"
    assert told(next_action(PROGRAMS[name], records_of(f"{begun} {recorded}"))) == expected


def test_when_neither_install_nor_start_goes_through_the_install_is_the_failure():
    recorded = records_of("stop snapshot install! start! wait:2 start! wait:2 start!")
    assert told(next_action(PROGRAMS["upgrade"], recorded)) == "failed, install, go on"


TEMPORARY = [
    # While the module is down, for a short while.
    ("upgrade", "install~", "wait 5"),
    ("upgrade", "install~ wait:5", "do install"),
    ("upgrade", "install~ wait:5 install~", "wait 5"),
    ("upgrade", "install~ wait:5 install~ wait:5 install~", "do start"),
    # Then it serves, for longer, and all of it is done again.
    ("upgrade", "install~ wait:10 install~ start", "wait 30"),
    ("upgrade", "install~ wait:10 install~ start wait:30", "do stop"),
    ("upgrade", "install~ wait:10 install~ start wait:30 stop snapshot", "do install"),
    ("upgrade", "install~ wait:10 install~ start wait:30 stop snapshot install~", "wait 5"),
    ("upgrade", "install~ wait:10 install~ start! wait:2 start wait:30", "do stop"),
    ("upgrade", "install~ wait:10 install~ start! wait:2 start", "wait 30"),
    ("upgrade", "install~ wait:10 install~ start!", "wait 2"),
    ("upgrade", "install~ wait:10 install~ start! wait:2", "do start"),
    # Not for ever.
    (
        "upgrade",
        "install~ wait:10 install~ start wait:50 stop snapshot install~ wait:10 install~ start",
        "failed, install",
    ),
    # The code that waits for a load is known to be bad, so it has more time, and then its chance.
    ("restore", "load~ wait:5 load~ wait:5 load~", "wait 5"),
    ("restore", "load~ wait:15 load~", "do start"),
]


@pytest.mark.parametrize(("name", "recorded", "expected"), TEMPORARY)
def test_what_is_refused_for_the_moment_is_tried_again(name, recorded, expected):
    begun = "stop safety-snapshot" if name == "restore" else "stop snapshot"
    assert told(next_action(PROGRAMS[name], records_of(f"{begun} {recorded}"))) == expected


@pytest.mark.parametrize(
    ("name", "recorded", "expected"),
    [
        ("chunked", "stage~", "wait 5"),
        ("chunked", "stage~ wait:5", "do stage"),
        ("chunked", "stage~ wait:60 stage~", "failed, stage"),
        ("no-stop", "snapshot install~", "wait 5"),
        ("no-stop", "snapshot install~ wait:5", "do install"),
        ("leave", "stop snapshot install~", "wait 5"),
    ],
)
def test_where_nobody_waits_for_the_module_there_is_more_patience(name, recorded, expected):
    assert told(next_action(PROGRAMS[name], records_of(recorded))) == expected


HOOKS = [
    ("hook:before-upgrade=vetoed", "refused, hook"),
    ("hook:before-upgrade hook:before-stop=vetoed stop=vetoed", "refused, stop"),
    ("stop hook:after-stop=hook-failed", "do start"),
    ("stop hook:after-stop=hook-failed start", "failed, hook"),
    ("stop hook:before-snapshot=hook-failed snapshot=hook", "do start"),
    ("stop hook:before-snapshot=hook-failed snapshot=hook start", "failed, snapshot"),
    ("stop snapshot install hook:after-install=hook-failed", "do start"),
    ("stop snapshot install hook:after-install=hook-failed start", "failed, hook"),
    # Neither keeps a module down or what was done from being seen.
    ("stop snapshot install hook:before-start=hook-failed", "do start"),
    ("stop snapshot install start hook:after-start=hook-failed", "do verify"),
    # The first error is not hidden by what runs after it.
    ("stop snapshot install! hook:after-install=hook-failed start", "failed, install"),
    # A new round has its own.
    ("stop snapshot install~ wait:10 install~ start wait:30 stop", "do snapshot"),
]


@pytest.mark.parametrize(("recorded", "expected"), HOOKS)
def test_after_a_hook(recorded, expected):
    assert told(next_action(PROGRAMS["upgrade"], records_of(recorded))) == expected
