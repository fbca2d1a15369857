"""How an operation is said to have ended: report, message, hint, and the class of its error."""

from dataclasses import replace

import pytest

from juno_snap.errors import TransportError
from juno_snap.management.types import CertifiedInfo
from juno_snap.pipeline.actions import Finish
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.conclude import Conclusion, downtime_ms
from juno_snap.pipeline.next_action import next_action
from juno_snap.pipeline.program import Save
from juno_snap.pipeline.report import (
    OperationCancelledError,
    OperationFailedError,
    OperationRefusedError,
    OperationUnknownError,
)
from tests.unit.pipeline.notation import records_of
from tests.unit.pipeline.programs import (
    BEGIN_NS,
    LOADED_HASH,
    NEW_HASH,
    create_program,
    restore_program,
    upgrade_program,
)
from tests.unit.pipeline.values import CALLER, OLD_HASH, snapshot_id, status

pytestmark = pytest.mark.anyio
OPERATION = "20270115-080000-000000"
CHECKS = (parse_check('ok() == ("yes")'),)
UPGRADE = upgrade_program(checks=CHECKS)
CHECKED = "stop snapshot install start verify"
GONE_BACK = f"{CHECKED} check=bad <stop <safety-snapshot <load <start <verify"


class Asked:
    """The two questions that the end of an operation asks; none are answered where ``is_down``."""

    def __init__(self, code, *, run_status="running", is_down=False):
        self.code, self.run_status, self.is_down = code, run_status, is_down

    async def canister_info(self, _module, *, not_before_ns=0):
        self._check()
        return CertifiedInfo(
            exists=True,
            module_hash=self.code,
            controllers=(CALLER,),
            last_install_at_ns=500,
            certified_at_ns=not_before_ns,
        )

    async def canister_status(self, _module):
        self._check()
        return status(status=self.run_status)

    def _check(self):
        if self.is_down:
            raise TransportError("no route", url="http://x", maybe_delivered=False)


async def concluded(words, *, program=UPGRADE, code=OLD_HASH, wish="forward", finish=None, **world):
    """The conclusion of what was recorded, with the module as it was left."""
    records = records_of(words)
    finish = finish or next_action(program, records, wish=wish)
    assert isinstance(finish, Finish), finish
    conclusion = Conclusion(OPERATION, program, records, finish)
    await conclusion.inspect(Asked(code, **world))
    return conclusion


# Words, what runs, exit class (5 refused, 15 old code, 16 failed, 17 unknown, 130 cancelled).
ENDS = [
    (
        "stop snapshot! start",
        OLD_HASH,
        15,
        "failed in step snapshot: no; the module is running with",
    ),
    ("stop snapshot install! start", OLD_HASH, 15, "failed in step install"),
    ("stop^! start settle", OLD_HASH, 15, "failed in step stop: too long"),
    (GONE_BACK, OLD_HASH, 15, "was gone back on, since a check was bad: !"),
    (f"{CHECKED}=hash-mismatch", b"\x0e" * 32, 16, "failed in step verify"),
    (f"{CHECKED} check=bad <stop=disturbed", NEW_HASH, 16, "failed in step stop"),
    (f"{CHECKED} check=bad <stop <safety-snapshot@24 <load! <start", NEW_HASH, 16, "step load"),
    ("stop=disturbed", OLD_HASH, 5, "ended before anything was installed"),
    ("hook:before-upgrade=vetoed", OLD_HASH, 5, "ended before anything was installed"),
    (f"{CHECKED} check=open", NEW_HASH, 17, "could not be judged in step check"),
    (
        "stop snapshot install? start settle?",
        OLD_HASH,
        17,
        "has an unknown outcome in step install",
    ),
]
CLASSES = {5: OperationRefusedError, 15: OperationFailedError, 16: OperationFailedError}


@pytest.mark.parametrize(("words", "code", "exit_code", "message"), ENDS)
async def test_a_bad_end_has_its_class_and_says_how_the_module_was_left(
    words, code, exit_code, message
):
    conclusion = await concluded(words, code=code)
    error = conclusion.error()
    assert isinstance(error, CLASSES.get(exit_code, OperationUnknownError))
    assert message in error.message
    assert "the module is running" in error.message
    if isinstance(error, OperationFailedError):
        assert error.runs_old_code is (exit_code == 15)
    assert error.report.facts.operation == OPERATION


@pytest.mark.parametrize(
    ("words", "program", "code", "outcome"),
    [
        (f"{CHECKED} check", UPGRADE, NEW_HASH, "upgraded"),
        ("stop safety-snapshot load start verify", restore_program(), LOADED_HASH, "restored"),
    ],
)
async def test_a_good_end_is_no_error(words, program, code, outcome):
    conclusion = await concluded(words, program=program, code=code)
    assert conclusion.error() is None
    assert conclusion.report().outcome == outcome
    assert conclusion.report().facts.errors == ()


async def test_going_back_is_a_good_end_only_for_who_has_asked_for_it():
    conclusion = await concluded(GONE_BACK)
    assert conclusion.error(was_asked_back=True) is None
    assert isinstance(conclusion.error(), OperationFailedError)


async def test_going_back_because_a_person_wanted_it_names_no_check():
    words = GONE_BACK.replace("check=bad", "resume")
    conclusion = await concluded(words)
    assert "check was bad" not in conclusion.error().message


async def test_a_cancelled_run_says_what_it_has_left():
    before = await concluded("stop snapshot start", wish="halt")
    assert isinstance(before.error(), OperationCancelledError)
    assert "run it again" in before.error().message
    assert "with the code and data it had" in before.error().message
    after = await concluded("stop snapshot install start", wish="halt", code=NEW_HASH)
    assert f"juno-snap resume {OPERATION}" in after.error().message


async def test_when_nothing_can_be_asked_nothing_is_claimed():
    conclusion = await concluded("stop snapshot! start", is_down=True)
    assert not conclusion.runs_old_code
    assert conclusion.report().facts.module_hash is None


async def test_both_errors_are_told_when_the_start_fails_too():
    words = "stop snapshot install! start! wait:2 start! wait:2 start!"
    conclusion = await concluded(words, run_status="stopped")
    error = conclusion.error()
    assert "failed in step install" in error.message
    assert "the start failed too" in error.message
    assert "the module is stopped" in error.message
    assert not error.runs_old_code
    assert f"juno-snap resume {OPERATION}" in error.hint
    assert "juno-snap module start" in error.hint
    assert [fault.step for fault in error.report.facts.errors] == ["install", *["start"] * 3]


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (
            "stop snapshot install~ wait:60 install~ start wait:60 start",
            OLD_HASH,
            "wait some minutes",
        ),
        (GONE_BACK, OLD_HASH, "what it wrote is in the safety snapshot"),
        (f"{CHECKED} wait:900 check=bad", NEW_HASH, f"juno-snap rollback {OPERATION}"),
        (f"{CHECKED} check=open", NEW_HASH, f"juno-snap resume {OPERATION}"),
    ],
)
async def test_the_hint_says_what_to_do_next(words, code, hint):
    records = records_of(words)
    finish = next_action(UPGRADE, records)
    if not isinstance(finish, Finish):
        finish = Finish("failed", failed=records[4])
    assert hint in (await concluded(words, code=code, finish=finish)).error().hint


async def test_without_a_snapshot_no_way_back_is_promised():
    program = upgrade_program(checks=CHECKS, save=None, goes_back=False)
    words = "stop install start verify check=bad"
    conclusion = await concluded(words, program=program, code=NEW_HASH)
    assert "there is no way back" in conclusion.error().hint
    assert "no way back" in conclusion.report().facts.warnings[0]


async def test_an_unknown_outcome_names_the_call_and_its_expiry():
    error = (await concluded("stop snapshot install? start settle?")).error()
    assert error.request_id == (3).to_bytes(32, "big")
    assert error.expires_at_ns == BEGIN_NS


async def test_a_module_that_was_found_stopped_is_old_as_long_as_it_is_so():
    program = restore_program(kind="rollback", sends_stop=False, before=_stopped())
    conclusion = await concluded("safety-snapshot load!", program=program)
    assert conclusion.report().facts.module_status == "stopped"
    assert conclusion.runs_old_code


def _stopped():
    return replace(UPGRADE.before, status="stopped")


async def test_a_run_that_its_journal_has_ended_says_so():
    records = records_of("stop start")
    finish = Finish("failed", closes=False)
    broken = "the journal could not be written: disk full"
    conclusion = Conclusion(OPERATION, UPGRADE, records, finish, warnings=(broken,))
    await conclusion.inspect(Asked(OLD_HASH))
    error = conclusion.error()
    assert isinstance(error, OperationFailedError)
    assert error.runs_old_code
    assert "failed: the journal could not be written: disk full" in error.message
    assert f"juno-snap resume {OPERATION}" in error.hint


# Reports


@pytest.mark.parametrize(
    ("words", "milliseconds"),
    [
        ("observe", 0),
        ("stop snapshot install start", 3_250),
        ("stop snapshot install~ start wait:30 stop snapshot install start", 3_250 + 3_250),
        ("stop snapshot install start check=bad <stop <safety-snapshot <load <start", 6_500),
        ("stop snapshot resume:60 start", 63_250),
        ("stop snapshot", 1_250),
        ("stop=disturbed", 0),
    ],
)
def test_downtime_is_the_time_in_which_it_may_have_been_down(words, milliseconds):
    assert downtime_ms(records_of(words)) == milliseconds


async def test_the_report_of_a_way_back_names_both_snapshots_and_what_was_passed():
    words = GONE_BACK.replace("<safety-snapshot", "<safety-snapshot@26")
    report = (await concluded(words)).report()
    assert report.outcome == "rolled-back"
    assert (report.snapshot, report.safety_snapshot) == (snapshot_id(102), snapshot_id(108))
    assert report.versions_passed == 2
    assert [step.leg for step in report.facts.steps].count("back") == 5


async def test_steps_that_never_ended_are_unknown():
    records = records_of("stop snapshot.")
    report = Conclusion(OPERATION, UPGRADE, records, Finish("interrupted", closes=False)).report()
    assert report.facts.steps[1].outcome == "unknown"
    assert report.facts.module_status == "unknown"


async def test_a_step_that_tidies_badly_is_a_warning_and_no_error():
    program = upgrade_program(delete_after=(snapshot_id(0),))
    conclusion = await concluded(f"{CHECKED} tidy=not-tidied", program=program, code=NEW_HASH)
    assert conclusion.error() is None
    assert conclusion.report().facts.warnings == ("!",)


async def test_a_restore_that_went_on_without_saving_says_so():
    program = restore_program(save=Save(purpose="safety", is_optional=True))
    words = "stop safety-snapshot! load start verify"
    report = (await concluded(words, program=program, code=LOADED_HASH)).report()
    assert report.safety_snapshot is None
    assert "was not saved" in report.facts.warnings[0]


async def test_a_refused_snapshot_is_reported_without_one():
    conclusion = await concluded("stop snapshot! start", program=create_program())
    assert conclusion.report().to_json()["snapshot"] is None
    assert conclusion.error().runs_old_code
