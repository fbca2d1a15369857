"""A reset: what it would lose is saved before, and set again afterwards.

The configuration is read when the reset is planned, by update calls: an access key that a single
node made up would be set again with all its rights. It is kept in a file of the state directory,
beside the journal, and stays there.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from juno_snap.errors import DecodeError, JunoSnapError, NotFoundError, RejectedError
from juno_snap.files import make_private_folders, read_file, write_private
from juno_snap.juno.configuration import (
    LOST,
    PARTS,
    Ask,
    Configuration,
    Unreadable,
    read_configuration,
    set_again,
)
from juno_snap.juno.roles import Role
from juno_snap.juno.saved import configuration_of, file_of
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.journal.records import StepState
from juno_snap.pipeline.journal.refusals import REFUSALS
from juno_snap.pipeline.observe import Observation
from juno_snap.pipeline.plan_parts import PlannedStep, Refusal, Remark
from juno_snap.pipeline.progress import NOT_EVALUATED, RESTORES
from juno_snap.pipeline.report import Evidence, Json
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.sending import error_evidence

FOLDER: Final = "resets"
DISCARD_FLAG: Final = "--discard-configuration"
DIFFERS: Final = "configuration-differs"


def role_of(seen: Observation, request: UpgradeRequest) -> Role | None:
    """What the module is, by what it says of itself, else by what it was called."""
    if seen.juno.role is not None or seen.juno.package is not None:
        return seen.juno.role
    return request.juno.role


async def with_configuration(
    client: ManagementClient, seen: Observation, request: UpgradeRequest
) -> Observation:
    """The same with what a reset would lose, where that is asked for and can be said.

    Raises:
        JunoSnapError: The network does not answer as it should.
    """
    role = role_of(seen, request)
    if not request.reset or request.discard_configuration or seen.module_hash is None:
        return seen
    if role is None or role not in PARTS:
        return seen
    if not seen.is_running:
        reason = f"the module is {seen.status.status} and does not answer: start it before"
        return replace(seen, configuration=Unreadable(reason=reason))

    async def ask(method: str, arg: bytes) -> bytes:
        return (await client.agent.call(seen.module, method, arg, settle=True)).reply

    found = await read_configuration(role, ask)
    if request.arg is not None and isinstance(found, Configuration):
        found = found.without_mode()
    return replace(seen, configuration=found)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ResetFacts:
    """What becomes of a module's configuration and data."""

    saved: Mapping[str, tuple[str, ...]]
    """The keys of what is saved and set again, by part; one that stands alone has none."""
    lost: tuple[str, ...]

    def to_json(self) -> Json:
        """The ``reset`` of a plan."""
        saved = [{"part": part, "keys": list(keys)} for part, keys in self.saved.items()]
        return {"saved": saved, "lost": list(self.lost)}

    @property
    def saved_text(self) -> str:
        """For people."""
        parts = (f"{part} ({len(keys)})" if any(keys) else part for part, keys in self._filled)
        return ", ".join(parts) or "nothing"

    @property
    def _filled(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        return ((part, keys) for part, keys in self.saved.items() if keys)


def reset_facts(seen: Observation) -> ResetFacts | None:
    """What is saved of the module that was ``seen``; none where nothing is."""
    found = seen.configuration
    if not isinstance(found, Configuration):
        return None
    saved = {part.name: tuple(found.items(part)) for part in found.parts}
    return ResetFacts(saved=saved, lost=LOST[found.role])


def refusals_of_reset(seen: Observation) -> Iterator[Refusal]:
    """A reset that would lose what nobody has seen."""
    if isinstance(seen.configuration, Unreadable):
        yield Refusal(
            code="configuration-unread",
            text="a reset loses access keys, custom domains and configuration, and they cannot be "
            f"saved before: {seen.configuration.reason}",
            flags=(DISCARD_FLAG,),
        )


def remarks_of_reset(seen: Observation, request: UpgradeRequest) -> Iterator[Remark]:
    """What a person should know of a reset."""
    if not request.reset:
        return
    facts = reset_facts(seen)
    text = "a reset wipes all data of the module"
    if facts is not None:
        text += f": {', '.join(facts.lost)}; saved before and set again: {facts.saved_text}"
    yield Remark(code="data-wiped", text=text)
    if role_of(seen, request) is None:
        yield Remark(
            code="configuration-unknown",
            text="what kind of module this is is not known, so nothing but its code and data is "
            "looked at: what it was configured with is wiped and not set again",
        )
    if request.discard_configuration:
        yield Remark(
            code="configuration-discarded",
            text="access keys, custom domains and configuration are wiped and not set again",
        )


def planned_restore(seen: Observation) -> Iterator[PlannedStep]:
    """The step that sets the configuration again."""
    facts = reset_facts(seen)
    if facts is not None:
        count = sum(map(len, facts.saved.values()))
        yield PlannedStep(
            name=RESTORES,
            text=f"set again what is missing of {facts.saved_text}",
            update_calls=len(facts.saved) + count,
            rounds=3,
        )


def saved_content(seen: Observation) -> bytes | None:
    """What is to be kept of the configuration that was ``seen``."""
    if not isinstance(seen.configuration, Configuration):
        return None
    return file_of(seen.configuration, seen.module, seen.interface)


def file_for(state: Path, operation: str) -> Path:
    """Where the configuration of a reset is kept."""
    return state / FOLDER / f"{operation}.json"


def keep_configuration(state: Path | None, operation: str, content: bytes | None) -> None:
    """Put the configuration on disk, for its owner only.

    Raises:
        PreconditionError: There is no room, or the folder cannot be written.
    """
    if state is None or content is None:
        return
    path = file_for(state, operation)
    try:
        make_private_folders(state, path.parent)
        write_private(path, content)
    except OSError as error:
        raise REFUSALS.of_os_error(str(path), error) from error


def _kept(path: Path | None, content: bytes | None, sha256: bytes | None) -> Configuration:
    if content is None:
        if path is None:
            raise NotFoundError("the configuration was not kept", code="configuration-lost")
        content = read_file(path)
    if hashlib.sha256(content).digest() != sha256:
        raise NotFoundError(
            f"{path} is not what was saved: its content was changed", code="configuration-lost"
        )
    return configuration_of(content)


async def restore_configuration(
    path: Path | None, content: bytes | None, sha256: bytes | None, ask: Ask
) -> tuple[StepState, Evidence]:
    """Set again what was saved: in ``content``, or else in the file at ``path``.

    How the step ended, and what it can show for itself; nothing is raised.
    """
    shown: dict[str, object] = {"file": None if path is None else str(path)}
    try:
        saved = _kept(path, content, sha256)
        came = await set_again(saved, ask)
    except JunoSnapError as error:
        return "failed", {**shown, **_evidence(error)}
    shown["set"] = list(came.changed)
    if not came.differing:
        return "done", shown
    evidence = {"error": DIFFERS} if came.error is None else _evidence(came.error)
    message = f"not as it was before the reset: {', '.join(came.differing)}"
    return "failed", {**shown, **evidence, "message": message}


def _evidence(error: JunoSnapError) -> Evidence:
    """A refusal of the module's is an outcome; with any other error nothing is known yet."""
    is_outcome = isinstance(error, DecodeError | NotFoundError) or (
        isinstance(error, RejectedError) and error.certified
    )
    evidence = error_evidence(error)
    return evidence if is_outcome else {**evidence, "error": NOT_EVALUATED}
