"""Gathers what ``juno-snap doctor`` judges: here, on the network, and of a module.

Each thing that is wrong becomes a line, and the next one is looked at all the same where that is
possible. Nothing is made here or changed there: the network is asked for its state, certified, and
gets no more than three calls, which only read.
"""

import platform
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from typing_extensions import override

from juno_snap.agent.agent import open_agent
from juno_snap.agent.identity import Identity, anonymous
from juno_snap.cli import identities, unlocking
from juno_snap.cli.doctor_module import OF_MODULE, recall, visit
from juno_snap.cli.doctor_network import NO_NETWORK, agent_options, make_contact
from juno_snap.cli.findings import Findings, look
from juno_snap.cli.findings import refuse as refuse_configuration
from juno_snap.cli.options import ModuleOptions
from juno_snap.cli.output import Output
from juno_snap.cli.session import Session
from juno_snap.cli.targets import choose_module, is_said
from juno_snap.clock import system_clock
from juno_snap.errors import ConfigError, IdentityError, JunoSnapError
from juno_snap.juno.choice import ModuleChoice
from juno_snap.juno.config import is_code
from juno_snap.juno.config_code import find_node
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import CanisterStatus
from juno_snap.pipeline import doctor
from juno_snap.pipeline.doctor import Line, fine, problem, unasked, warning
from juno_snap.settings.names import named_modules
from juno_snap.settings.networks import Network
from juno_snap.version import __version__

OTHERS: Final = "others can read "
"""How a warning goes on with the file that it is about."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Every line, and what of them is said by the configuration."""

    lines: tuple[Line, ...]
    found: Findings


@final
class _Heard(Output):
    """Keeps warnings, which become lines."""

    def __init__(self, output: Output) -> None:
        super().__init__(output.options)
        self.warnings: list[str] = []
        self._output = output

    @override
    def find_secret_once(self, what: str, find: Callable[[], bytes]) -> bytes:
        return self._output.find_secret_once(what, find)

    @override
    def warn(self, text: str) -> None:
        self.warnings.append(text)


async def examine(session: Session, options: ModuleOptions) -> Examination:
    """Look at everything; a source that is wrong is named and passed over."""
    found = await look(session, None)
    session.settings = found.settings
    contact = await make_contact(session)
    identity, signer = _signer(session, options, contact.network)
    choice, chosen = await _choice(session, options, contact.root_key)
    past = recall(session, contact.root_key, choice)
    status, module = None, tuple(unasked(NO_NETWORK, *(OF_MODULE if choice else ())))
    if choice and contact.network and contact.is_sound:
        how = agent_options(contact.network, contact.root_key)
        async with await open_agent(how, identity or anonymous()) as agent:
            client, is_signing = ManagementClient(agent), identity is not None
            status, module = await visit(client, choice, past, is_signing=is_signing)
    lines = [*contact.lines, *signer, *chosen, *module, *past.lines]
    lines += [_disk(session.state, status), *await _versions(session)]
    return Examination(lines=(*_configuration(found, lines), *lines), found=found)


def refuse(examination: Examination) -> None:
    """Accept what has no problem.

    Raises:
        JunoSnapError: The only problem; or one that counts them. Where only the configuration is
            wrong, the error of ``config check``.
    """
    errors = [each.error for each in examination.lines if each.error]
    if len(errors) == 1:
        raise errors[0]
    messages = {each.message for each in examination.found.problems}
    if errors and all(each.message in messages for each in errors):
        refuse_configuration(examination.found)
    if errors:
        raise JunoSnapError(
            f"{len(errors)} things are wrong: {'; '.join(each.message for each in errors)}",
            code="doctor-problems",
            hint="the result lists each with its cure",
        )


def _configuration(found: Findings, others: list[Line]) -> Iterator[Line]:
    """What other lines say is not said twice."""
    said = {each.text for each in others}
    lines = [problem("configuration", each) for each in found.problems if each.message not in said]
    cure = "correct it there; juno-snap config show --origins tells who said what"
    for text in found.warnings:
        file = text.partition(OTHERS)[2]
        if not file or not any(file in each for each in said):
            protect = f"chmod 600 {shlex.quote(file)}"
            lines.append(warning("configuration", text, protect if file else cure))
    files = ", ".join(map(str, found.files)) or "no file"
    yield from lines or [fine("configuration", f"sound: {files}")]


def _signer(
    session: Session, options: ModuleOptions, network: Network | None
) -> tuple[Identity | None, tuple[Line, ...]]:
    """Who signs; none where nobody can. No key is made for it."""
    heard = _Heard(session.output)
    try:
        reference = identities.choose(session.settings, network)
        if not reference.is_made:
            return None, (_no_key_yet(reference.place, is_needed=is_said(options)),)
        identity = unlocking.open_identity(reference, session.settings, heard)
    except JunoSnapError as error:
        return None, (problem("identity", error),)
    expiries = [each.delegation.expires_at_ns for each in identity.delegations]
    lines = [fine("identity", f"{reference.name} ({reference.source}): {identity.principal}")]
    for text in heard.warnings:
        what, _, cure = text.partition("; ")
        lines.append(warning("identity", what, cure))
    lines += doctor.judge_delegations(expiries, system_clock().now_ns())
    return identity, tuple(lines)


def _no_key_yet(place: object, *, is_needed: bool) -> Line:
    """A module that is there already has other controllers than a key that is still to be made."""
    if not is_needed:
        return fine("identity", f"none yet: the first command that signs makes {place}")
    error = IdentityError(
        "no identity was chosen, and there is none yet",
        code="no-identity",
        hint=f"{identities.HOW_TO_CHOOSE}: the key of one of the module's controllers",
    )
    return problem("identity", error)


async def _choice(
    session: Session, options: ModuleOptions, root_key: bytes | None
) -> tuple[ModuleChoice | None, tuple[Line, ...]]:
    if not is_said(options):
        return None, ()
    made = named_modules(session.state, root_key) if root_key else {}
    try:
        choice = await choose_module(
            session.settings, made, options, project=session.project, output=session.output
        )
    except JunoSnapError as error:
        return None, (problem("module", error), *unasked("no module is known", *OF_MODULE))
    return choice, (fine("module", choice.label),)


def _disk(state: Path, status: CanisterStatus | None) -> Line:
    there = next(each for each in (state, *state.absolute().parents) if each.is_dir())
    return doctor.judge_disk(str(there), shutil.disk_usage(there).free, status)


async def _versions(session: Session) -> list[Line]:
    """This program, and Node where the project's file has to be run to be read."""
    lines = [fine("version", f"juno-snap {__version__}, Python {platform.python_version()}")]
    try:
        code = next((file for file in session.project.files[:1] if is_code(file)), None)
        if code is not None:
            node, (major, minor) = await find_node(code)
            lines.append(fine("node", f"{node} {major}.{minor} for {code}"))
    except ConfigError as error:
        lines.append(problem("node", error))
    return lines
