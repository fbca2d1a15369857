"""What comes next in an operation. Pure: a fresh run and one that continues ask the same question.

Rules, in the order of their weight:

1. Whatever failed, a module that may be stopped because of us is started.
2. Nothing that changes the module is sent while an earlier call has no certified outcome, but the
   start.
3. What the network refuses only for the moment is tried again: before the stop for long, between
   stop and start for a short while; then the module serves meanwhile, and stop, snapshot and
   install are done again.
4. The way back is taken only with this run's own snapshot of the state immediately before the
   install, soon after the start, and on a certified bad check.
"""

from collections.abc import Sequence
from typing import Final

from juno_snap.pipeline.actions import (
    Action,
    ChainView,
    Do,
    Finish,
    Outcome,
    Settle,
    Wait,
    Wish,
)
from juno_snap.pipeline.journal.records import Leg, StepRecord
from juno_snap.pipeline.program import InstallChange, Program
from juno_snap.pipeline.progress import (
    BAD,
    CANCELLED,
    NOT_EVALUATED,
    RESTORES,
    SAVES,
    Progress,
    error_of_step,
)
from juno_snap.units import NS_PER_SECOND

START_ATTEMPTS: Final = 3
START_PAUSE_SECONDS: Final = 2.0
ROUNDS_MAX: Final = 3
"""How often stop, snapshot and install are begun where outcomes of calls were hard to come by."""

HOLDS: Final = SAVES | {"stop", "install", "load"}
"""Steps that are not done again, in another round, once they were refused for good."""

DISTURBED: Final = "disturbed"
HOOK_FAILED: Final = "hook-failed"
VETOED: Final = "hook-vetoed"


def next_action(
    program: Program,
    records: Sequence[StepRecord],
    chain: ChainView | None = None,
    *,
    wish: Wish = "forward",
) -> Action:
    """What to do now, given all that was written down.

    ``chain`` is how things stood when the operation was taken up again, none where it was not, or
    where it has done something since.
    """
    progress = Progress(program=program, records=records)
    urgent = _settle_or_start(progress, wish)
    if urgent is not None:
        return urgent
    if wish == "halt":
        return _halt(progress)
    if progress.leg == "back":
        return _go_back(progress, chain)
    if wish == "back":
        return _turn_back(progress)
    return _go_forward(progress, chain)


def _settle_or_start(progress: Progress, wish: Wish) -> Action | None:
    """The open call comes first, and before it the start where its outcome may take long."""
    pending = progress.unsettled
    if pending is None:
        return None
    takes_long = pending.state != "begun" or wish == "halt"
    gave_up = _gave_up(progress)
    if pending.name != "start" and progress.owes_start and (takes_long or gave_up):
        start = _start(progress)
        if start is not None:
            return start
    if gave_up:
        return Finish("unknown", failed=pending, closes=False)
    return Settle(pending)


def _gave_up(progress: Progress) -> bool:
    """Whether the outcome of the open call could not be found out in this run."""
    settles = (r.number for r in progress.records if r.name == "settle" and r.state == "unknown")
    return max(settles, default=0) > progress.taken_up


def _start(progress: Progress) -> Action | None:
    """Start the module; after several failures in a row, none."""
    failed = progress.failed_starts
    if failed >= START_ATTEMPTS:
        return None
    if failed and progress.records[-1].name != "wait":
        return Wait(START_PAUSE_SECONDS, "the start failed and is tried again", progress.leg)
    return Do("start", progress.leg)


def _end(progress: Progress, outcome: Outcome, failed: StepRecord | None = None) -> Action:
    """Finish, with the module started before where it has to be."""
    if not progress.owes_start:
        return Finish(outcome, failed=failed)
    last = progress.records[-1]
    return _start(progress) or Finish("failed", failed=failed or last, closes=False)


def _halt(progress: Progress) -> Action:
    end = _end(progress, "interrupted")
    if isinstance(end, Finish) and (progress.is_changed or progress.leg == "back"):
        # The new code was not verified, or is known to be bad: there is something to go on with.
        return Finish("interrupted", failed=end.failed, closes=False)
    return end


def _turn_back(progress: Progress) -> Action:
    """A person wants the old code and data."""
    if not progress.is_changed:
        return _end(progress, "rolled-back")
    if progress.way_back is None:
        return _end(progress, "failed", progress.last("verify", "forward"))
    return Do("stop", "back")


def _go_forward(progress: Progress, chain: ChainView | None) -> Action:
    vetoed = _failed_hook(progress.records, "before-upgrade")
    if vetoed is not None:
        return Finish("refused", failed=vetoed)
    if _needs_new_round(progress, "forward", chain):
        return Do("stop", "forward")
    for step in forward_steps(progress.program):
        is_staging = step in {"clear-chunks", "stage"}
        record = progress.last(step, "forward", in_round=not is_staging)
        if record is None or _is_to_be_done_again(progress, step, record):
            return Do(step, "forward")
        if record.state in {"failed", "unknown"}:
            action = _after_failure(progress, step, record)
            if action is not None:
                return action
        broken = _failed_hook(progress.round("forward"), f"after-{step}")
        if broken is not None and step in {"stop", "snapshot", "install", "load"}:
            return _end(progress, "failed", broken)
    return Finish(_good_outcome(progress.program))


def forward_steps(program: Program) -> Sequence[str]:
    """The steps of ``program`` in their order, those of the way back left out."""
    change = program.change
    steps: list[str] = []
    if isinstance(change, InstallChange) and change.is_chunked:
        steps += ["clear-chunks", "stage"] if change.clears_first else ["stage"]
    if program.sends_stop:
        steps.append("stop")
    if program.save:
        steps.append(_save_step(program))
    if change is not None:
        steps.append(change.kind)
    if program.sends_start:
        steps.append("start")
    steps.append("verify")
    if program.configuration is not None:
        steps.append(RESTORES)
    if program.checks:
        steps.append("check")
    if program.delete_after or (isinstance(change, InstallChange) and change.clears_last):
        steps.append("tidy")
    return steps


def _save_step(program: Program) -> str:
    is_safety = program.save is not None and program.save.purpose == "safety"
    return "safety-snapshot" if is_safety else "snapshot"


def _good_outcome(program: Program) -> Outcome:
    match program.kind:
        case "upgrade":
            return "upgraded"
        case "snapshot":
            return "taken"
        case "restore" | "rollback":
            return "restored"


def _is_to_be_done_again(progress: Progress, step: str, record: StepRecord) -> bool:
    """Whether ``record`` says nothing: its process died, or it could not be evaluated before.

    Or it is a start from before the module was stopped.
    """
    if record.state == "begun" or (step == "start" and _is_outdated_start(progress, record)):
        return True
    is_open = record.state == "failed" and error_of_step(record) in {NOT_EVALUATED, CANCELLED}
    return is_open and record.number < progress.taken_up


def _is_outdated_start(progress: Progress, start: StepRecord) -> bool:
    return start.state == "done" and progress.owes_start


def _needs_new_round(progress: Progress, leg: Leg, chain: ChainView | None) -> bool:
    """Whether what was stopped and saved is not the state that will be changed.

    Somebody has started the module since, or its version has moved on: then it has to be stopped
    and saved again. The same after a start of ours that let it serve for a while.
    """
    this_round = progress.round(leg)
    stop = progress.done("stop", leg)
    # What is done now; a program without a change is over with its snapshot.
    aims = {"install", "load"} if progress.program.change else SAVES
    if stop is None or any(r.name in aims and r.state == "done" for r in this_round):
        return False
    if any(r.state == "failed" and r.name in HOLDS and not is_temporary(r) for r in this_round):
        return False
    if any(r.name == "start" and r.state == "done" for r in this_round):
        waited = leg == "forward" and progress.records[-1].name == "wait"
        settled = any(r.name == "settle" for r in this_round)
        return waited or chain is not None or (settled and progress.rounds(leg) < ROUNDS_MAX)
    if chain is None:
        return False
    known = progress.version_seen(leg)
    return chain.status != "stopped" or (known is not None and chain.version != known)


def _after_failure(progress: Progress, step: str, record: StepRecord) -> Action | None:
    """What follows a step that did not end well; none: go on as if it had."""
    again = _again(progress, step, record) if is_temporary(record) else None
    save = progress.program.save
    is_optional = step in SAVES and save is not None and save.is_optional
    if again is not None:
        return again
    if step == "tidy" or (is_optional and was_rejected(record)):
        return None
    match step:
        case "start":
            return _end(progress, "failed", record)
        case "verify" | "restore-configuration":
            is_open = error_of_step(record) == NOT_EVALUATED
            return Finish("unknown" if is_open else "failed", failed=record, closes=not is_open)
        case "check":
            return _judge(progress, record)
        case _:
            return _give_up(progress, record)


def _give_up(progress: Progress, record: StepRecord) -> Action:
    """End an operation whose change was not made."""
    error = error_of_step(record)
    is_called_off = error == VETOED or (error == HOOK_FAILED and record.name == "stop")
    outcome: Outcome = "refused" if is_called_off or error == DISTURBED else "failed"
    end = _end(progress, outcome, record)
    change = progress.program.change
    if not isinstance(end, Finish) or not isinstance(change, InstallChange):
        return end
    is_unwanted = record.name == "install" and was_rejected(record) and not is_temporary(record)
    is_tidied = progress.last("tidy", "forward", in_round=False) is not None
    if change.clears_last and is_unwanted and not is_tidied:
        # The network will not have this Wasm, so its chunks are of no more use.
        return Do("tidy", "forward")
    return end


def _judge(progress: Progress, record: StepRecord) -> Action:
    """What a check means that is not good."""
    if error_of_step(record) != BAD:
        return Finish("unknown", failed=record, closes=False)
    return Do("stop", "back") if goes_back(progress, record) else Finish("failed", failed=record)


def goes_back(progress: Progress, check: StepRecord) -> bool:
    """Whether a certified bad ``check`` sends this operation back by itself."""
    program = progress.program
    start = progress.done("start", "forward")
    verify = progress.done("verify", "forward")
    if not program.goes_back or progress.way_back is None or start is None or verify is None:
        return False
    resumes = (r.began_at_ns for r in progress.records if r.name == "resume")
    now_ns = max([check.ended_at_ns or check.began_at_ns, *resumes])
    window_ns = int(program.rollback_window_seconds * NS_PER_SECOND)
    return now_ns - start.began_at_ns <= window_ns


def _go_back(progress: Progress, chain: ChainView | None) -> Action:
    """Stop, save what is about to be lost, load, start, verify."""
    if _needs_new_round(progress, "back", chain):
        return Do("stop", "back")
    for step in _steps_back(progress.program):
        record = progress.last(step, "back")
        if record is None or _is_to_be_done_again(progress, step, record):
            if step == "load" and not _may_load(progress):
                return _end(progress, "failed", progress.last("safety-snapshot", "back"))
            return Do(step, "back")
        if record.state in {"failed", "unknown"}:
            action = _after_failure_back(progress, step, record)
            if action is not None:
                return action
    return Finish("rolled-back", failed=progress.last("check", "forward", in_round=False))


def _steps_back(program: Program) -> Sequence[str]:
    steps = ["stop", "safety-snapshot", "load"]
    if program.sends_start:
        steps.append("start")
    steps.append("verify")
    if isinstance(program.change, InstallChange) and program.change.clears_last:
        steps.append("tidy")  # the snapshot held the staged chunks too
    return steps


def _after_failure_back(progress: Progress, step: str, record: StepRecord) -> Action | None:
    if is_temporary(record):
        again = _again(progress, step, record)
        if again is not None:
            return again
    if step == "tidy" or (step == "safety-snapshot" and was_rejected(record)):
        return None
    if step == "verify" and error_of_step(record) == NOT_EVALUATED:
        return Finish("unknown", failed=record, closes=False)
    return _end(progress, "failed", record)


def _may_load(progress: Progress) -> bool:
    """Whether nothing that others wrote is lost by going back."""
    return progress.done("safety-snapshot", "back") is not None or progress.foreign_versions == 0


def is_temporary(record: StepRecord) -> bool:
    """Whether the network refused it only for the moment."""
    return record.state == "failed" and record.evidence.get("is_temporary") is True


def was_rejected(record: StepRecord) -> bool:
    """Whether the network's certified answer was no."""
    return record.state == "failed" and any(call.state == "rejected" for call in record.calls)


def _again(progress: Progress, step: str, record: StepRecord) -> Action | None:
    """Try a step again that was refused for the moment, while patience lasts."""
    if progress.owes_start:
        return _again_while_down(progress, step, record)
    patience, leg = progress.program.patience, record.leg
    total = progress.waited_seconds(leg=leg)
    if progress.records[-1].name == "wait":
        return Do(step, leg)
    if leg == "back" or total >= patience.serving_seconds:
        return None
    was_down = progress.stop_was_sent and progress.program.sends_start
    pause_seconds = patience.serving_pause_seconds if was_down else patience.pause_seconds
    return Wait(min(pause_seconds, patience.serving_seconds - total), _reason(record), leg)


def _again_while_down(progress: Progress, step: str, record: StepRecord) -> Action | None:
    """Try it for a short while; then let the module serve, unless it is on its way back."""
    patience, leg = progress.program.patience, record.leg
    if any(start.number > record.number for start in progress.starts):
        return _start(progress)
    goes_back_now = step == "load" and (leg == "back" or progress.program.kind != "upgrade")
    allowed = patience.load_seconds if goes_back_now else patience.stopped_seconds
    first = next(r for r in progress.round(leg) if r.name == step)
    waited = progress.waited_seconds(since=first.number, leg=leg)
    if progress.records[-1].name == "wait":
        return Do(step, leg)
    if waited < allowed:
        return Wait(min(patience.pause_seconds, allowed - waited), _reason(record), leg)
    return None if leg == "back" else _start(progress)


def _reason(record: StepRecord) -> str:
    return str(record.evidence.get("message", "the network refuses it for the moment"))


def _failed_hook(records: Sequence[StepRecord], point: str) -> StepRecord | None:
    """The hook that failed at ``point``, if one did."""
    hooks = (r for r in records if r.name == "hook" and r.evidence.get("point") == point)
    return next((hook for hook in hooks if hook.state == "failed"), None)
