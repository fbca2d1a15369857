"""The story that ``juno-snap demo`` tells, on any network that gives modules away.

A module is created and gets data; an upgrade keeps it; a bad upgrade loses a part of it, unnoticed
by the network; the snapshot that this upgrade took brings everything back. Each claim is checked.
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
from juno_snap.pipeline.install import install
from juno_snap.pipeline.report import UpgradeReport
from juno_snap.pipeline.request import NO_ARGUMENT, UpgradeRequest
from juno_snap.pipeline.restore import restore_snapshot
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
        await self._upgrade("document_store_v2", "a good upgrade: its snapshot first")
        self._check("the data after the good upgrade", await self._documents(), written)
        bad = await self._upgrade("document_store_v3", "a bad one: it loses a document")
        left = await self._documents()
        missing = sorted(written.keys() - left.keys())
        if not missing:
            raise _broken("the bad upgrade was to lose a document, and lost none")
        self.tell(f"  the network calls this a success; yet {', '.join(missing)} is gone")
        await self._restore(bad)
        back = await self._documents()
        self._check("the data after going back", back, written)
        self.tell(f"  the data is back: all {len(back)} documents, word for word")
        return {
            "ok": True,
            "module": str(self.module),
            "lost_by_the_bad_upgrade": missing,
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

    async def _upgrade(self, version: str, remark: str) -> UpgradeReport:
        wasm = self._wasm(version)
        self.tell("")
        self.tell(f"# {remark}")
        self._command(f"juno-snap upgrade --module {NAME} --src {wasm.name}")
        report = await upgrade(self.workspace, self.module, UpgradeRequest(), wasm)
        self._result(
            f"{report.outcome} to version {await self._version()} in "
            f"{report.facts.duration_ms} ms, down for {report.facts.downtime_ms} ms; "
            f"snapshot {report.snapshot}"
        )
        return report

    async def _restore(self, bad: UpgradeReport) -> None:
        if bad.snapshot is None:
            raise _broken("the upgrade took no snapshot")
        self.tell("")
        self.tell("# going back to the snapshot that the bad upgrade took")
        self._command(f"juno-snap snapshot restore {bad.snapshot} --module {NAME} --yes")
        report = await restore_snapshot(self.workspace, self.module, str(bad.snapshot))
        self._result(
            f"{report.outcome}: version {await self._version()} runs again; the state before is "
            f"kept as snapshot {report.safety_snapshot}"
        )

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
