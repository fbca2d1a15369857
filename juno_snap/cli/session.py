"""One run of one command: what was said, what is configured, and how to speak.

Nothing here knows a network's protocol (``wiring`` does): commands without one start quickly.
"""

import os
from collections.abc import Coroutine
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from juno_snap.cli import running
from juno_snap.cli.options import CommonOptions
from juno_snap.cli.output import Output, OutputOptions
from juno_snap.cli.project import Project
from juno_snap.errors import PreconditionError
from juno_snap.replica.background import find_running
from juno_snap.settings.load import Examined, examine_settings, load_settings
from juno_snap.settings.model import Settings
from juno_snap.settings.networks import LocalReplica, Network, choose_network
from juno_snap.settings.paths import replica_directory

T = TypeVar("T")

NOT_A_CI: Final = {"", "0", "false"}
"""Values of CI that say that this is none."""


class Session:
    """One run of one command: what was said, and how to speak."""

    def __init__(self, options: CommonOptions) -> None:
        self.options = options
        self.output = Output(
            OutputOptions(
                json=options.json,
                quiet=options.quiet,
                verbose=options.verbose,
                headless=options.headless or _is_headless(),
            )
        )

    @cached_property
    def settings(self) -> Settings:
        """What is configured."""
        return load_settings(
            self._said,
            config=self.options.config,
            environment=os.environ,
            working_directory=Path.cwd(),
        )

    def examine_settings(self) -> Examined:
        """What is configured, and what of it is wrong."""
        return examine_settings(
            self._said,
            config=self.options.config,
            environment=os.environ,
            working_directory=Path.cwd(),
        )

    @property
    def _said(self) -> dict[str, str | None]:
        options = self.options
        return {
            "--network": options.network,
            "--root-key": options.root_key,
            "--identity": options.identity,
            "--state": str(options.state) if options.state else None,
            "--mode": options.mode,
            "--profile": options.profile,
        }

    @property
    def state(self) -> Path:
        """Where state lives."""
        return self.settings.state_directory

    @cached_property
    def project(self) -> Project:
        """The Juno project of the working directory, if it is one; nothing is read yet."""
        return Project(Path.cwd(), self.settings.mode)

    def network(self) -> Network:
        """The network that was chosen."""
        return choose_network(self.settings, self.find_local)

    def find_local(self) -> LocalReplica | None:
        """The local replica of the state directory, if it runs."""
        found = find_running(replica_directory(self.state))
        return LocalReplica(url=found.url, root_key=found.root_key) if found else None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``; see ``running.run``."""
        return running.run(work, self.output)

    def confirm(self, question: str) -> None:
        """Go on only if the person agrees.

        Raises:
            PreconditionError: Nobody can be asked, or the answer is no.
        """
        if self.options.yes:
            return
        if not self.output.can_ask:
            raise PreconditionError(
                f"this needs a confirmation: {question}",
                code="confirmation-needed",
                hint="say --yes to confirm it",
            )
        if not self.answer(question):
            raise PreconditionError("not confirmed; nothing was changed", code="not-confirmed")

    def answer(self, question: str) -> bool:
        """Whether the person on the terminal says yes; only where ``output.can_ask``."""
        with running.prompting():
            return self.output.confirm(question)


def _is_headless() -> bool:
    in_ci = os.environ.get("CI", "").lower() not in NOT_A_CI
    return in_ci or bool(os.environ.get("JUNO_TOKEN"))
