"""The story that ``juno-snap demo`` tells, on any network that gives modules away.

A module is created and gets data; an upgrade keeps it; a bad upgrade loses a part of it, unnoticed
by the network, but a check finds out, and the upgrade goes back by itself. Each claim is checked.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, final

from juno_snap.errors import JunoSnapError
from juno_snap.events import ignore_events
from juno_snap.ids import MANAGEMENT_CANISTER, Principal
from juno_snap.management.candid_call import call_with_text
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import Install
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.install import install
from juno_snap.pipeline.report import OperationFailedError, UpgradeReport
from juno_snap.pipeline.request import NO_ARGUMENT, UpgradeRequest
from juno_snap.pipeline.upgrade import upgrade
from juno_snap.pipeline.wasm_file import WasmFile, check_wasm
from juno_snap.pipeline.workspace import Workspace

Tell = Callable[[str], None]
Sample = Callable[[str], bytes]

NAME: Final = "documents"
DOCUMENTS: Final = {
    "invoice-1": "42 ICP to the gardener",
    "letter": "Dear Juno, all is well.",
    "recipe": "flour, water, salt, time",
}
CHECKED: Final = "invoice-1"
CHECK: Final = f'document("{CHECKED}") == opt "{DOCUMENTS[CHECKED]}"'
HEALTH_TIMEOUT_SECONDS: Final = 2


@final
@dataclass(slots=True, kw_only=True)
class Story:
    """The story while it is told; ``steps`` are the commands and what came of them."""

    workspace: Workspace
    sample: Sample
    """Wasm by name."""
    tell: Tell
    steps: list[dict[str, str]] = field(default_factory=list)
    module: Principal = MANAGEMENT_CANISTER

    @property
    def client(self) -> ManagementClient:
        """The management canister."""
        return self.workspace.client

    async def run(self) -> dict[str, object]:
        """Tell it to its end; the document of ``juno-snap demo``.

        Raises:
            JunoSnapError: Something is not as the story says, the data above all.
        """
        await self._create()
        written = await self._write()
        await self._good_upgrade()
        self._check("the data after the good upgrade", await self._documents(), written)
        lost = await self._bad_upgrade()
        back = await self._documents()
        self._check("the data after going back", back, written)
        self.tell(f"  the data is back: all {len(back)} documents, word for word")
        self._tell_history()
        return {
            "ok": True,
            "module": str(self.module),
            "lost_by_the_bad_upgrade": lost,
            "documents": back,
            "steps": self.steps,
        }

    async def _create(self) -> None:
        wasm = self._wasm("document_store_v1")
        self._command(f"juno-snap module create --name {NAME} --wasm {wasm.name}")
        self.module = await self.client.provisional_create_canister()
        await install(
            self.client, self.module, wasm, Install(), NO_ARGUMENT, observer=ignore_events
        )
        self._result(f"{NAME} is {self.module} and runs version {await self._version()}")

    async def _write(self) -> dict[str, str]:
        for key, text in DOCUMENTS.items():
            arguments = f"({json.dumps(key)}, {json.dumps(text)})"
            self._command(f"juno-snap module call set_document '{arguments}' --module {NAME}")
            await self._call("set_document", arguments)
            self._result("written")
        written = await self._documents()
        self._check("the data as written", written, DOCUMENTS)
        return written

    async def _good_upgrade(self) -> None:
        self.tell("")
        self.tell("# a good upgrade: its snapshot first, a check last")
        report = await self._upgrade("document_store_v2")
        self._result(
            f"{report.outcome} to version {await self._version()} in "
            f"{report.facts.duration_ms} ms, down for {report.facts.downtime_ms} ms; "
            f"snapshot {report.snapshot}"
        )

    async def _bad_upgrade(self) -> list[str]:
        """An upgrade that goes back by itself; the documents that the new code had lost."""
        before = await self._version()
        self.tell("")
        self.tell("# a bad one: it loses a document, and the network calls that a success")
        try:
            await self._upgrade("document_store_v3")
        except OperationFailedError as error:
            report = error.report
            if not isinstance(report, UpgradeReport) or report.outcome != "rolled-back":
                raise
        else:
            raise _broken("the bad upgrade was to lose a document, and lost none")
        for check in report.checks:
            self.tell(f"  the check is bad: {check['name']}: {check['detail']}")
        self._result(
            f"{report.outcome} by itself: version {await self._version()} runs again, after "
            f"{report.facts.downtime_ms} ms down in all; what the bad version wrote is kept as "
            f"snapshot {report.safety_snapshot}"
        )
        if await self._version() != before or report.safety_snapshot is None:
            raise _broken("the old version was to run again, and the state before to be kept")
        return [CHECKED]

    async def _upgrade(self, version: str) -> UpgradeReport:
        wasm = self._wasm(version)
        self._command(
            f"juno-snap upgrade --module {NAME} --src {wasm.name} --check '{CHECK}' "
            f"--health-timeout-seconds {HEALTH_TIMEOUT_SECONDS}"
        )
        request = UpgradeRequest(
            checks=(parse_check(CHECK),), health_timeout_seconds=HEALTH_TIMEOUT_SECONDS
        )
        return await upgrade(self.workspace, self.module, request, wasm)

    def _tell_history(self) -> None:
        """What the journal says, which would also be there after a power cut."""
        self.tell("")
        self._command(f"juno-snap history --module {NAME}")
        records = self.workspace.journal.history(module=self.module)
        self._result("; ".join(f"{each.begun.id} {each.outcome}" for each in records))
        outcomes = [each.outcome for each in records]
        if outcomes != ["rolled-back", "upgraded"]:
            raise _broken(f"the journal says {outcomes}")

    async def _documents(self) -> dict[str, str]:
        """What the module holds of what was written, asked for with updates: certified."""
        there: dict[str, str] = {}
        for key in DOCUMENTS:
            reply = await self._call("document", f"({json.dumps(key)})")
            if reply != "(null)":
                there[key] = json.loads(reply.removeprefix("(opt ").removesuffix(")"))
        return there

    async def _version(self) -> str:
        return (await self._call("version", "()")).strip('()"')

    async def _call(self, method: str, arguments: str) -> str:
        reply = await call_with_text(self.client.agent, self.module, method, arguments, query=False)
        return reply.text

    def _wasm(self, name: str) -> WasmFile:
        return check_wasm(self.sample(name), name=f"{name}.wasm")

    def _command(self, command: str) -> None:
        self.steps.append({"command": command, "result": ""})
        self.tell(f"$ {command}")

    def _result(self, result: str) -> None:
        self.steps[-1]["result"] = result
        self.tell(f"  {result}")

    def _check(self, what: str, found: dict[str, str], expected: dict[str, str]) -> None:
        if found != expected:
            raise _broken(f"{what} is not what was written: {found}")


def _broken(message: str) -> JunoSnapError:
    return JunoSnapError(
        message, code="demo-failed", hint="this is a mistake in juno-snap; please report it"
    )
