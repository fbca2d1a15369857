"""Asks what a check asks, once: by reading only. Nothing here changes the module."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar, final

from juno_snap.errors import InputError, JunoSnapError, RejectedError, TrustError
from juno_snap.events import Notice, Observer
from juno_snap.ids import Principal
from juno_snap.juno.roles import PACKAGE_METADATA
from juno_snap.management.candid_call import INTERFACE_METADATA, interface_of
from juno_snap.management.candid_check import ModuleInterface, ModuleMethod, arguments_of
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.checks.fit import expectation_of
from juno_snap.pipeline.checks.model import TIMEOUT_SECONDS, CheckSpec
from juno_snap.pipeline.checks.verdict import (
    Attempt,
    attempt,
    of_command,
    of_package,
    of_query,
    of_query_reject,
)
from juno_snap.processes import clean_environment, run_command

T = TypeVar("T")

AttemptOn = Callable[[CheckSpec], Awaitable[Attempt]]


@final
class Probe:
    """Attempts at checks of one module that was started at certified ``not_before_ns``."""

    def __init__(
        self,
        client: ManagementClient,
        module: Principal,
        *,
        not_before_ns: int,
        observer: Observer,
    ) -> None:
        self._client = client
        self._module = module
        self._not_before_ns = not_before_ns
        self._observer = observer
        self._warned: set[str] = set()
        self._reading = asyncio.Lock()
        self._has_read = False
        self.interface: ModuleInterface | None = None
        """None where the module has none, or it was not read yet."""

    async def attempt(self, spec: CheckSpec) -> Attempt:
        """What one attempt says. Its failure is an answer: nothing but cancellation is raised."""
        ways: dict[str, AttemptOn] = {
            "call": self._query,
            "version": self._version,
            "command": self._command,
        }
        try:
            return await ways[spec.kind](spec)
        except TimeoutError:
            return attempt("unknown", f"no answer within {spec.timeout_seconds:g} s")
        except JunoSnapError as error:
            self.warn_of(error)
            return attempt("unknown", error.message)

    def warn_of(self, error: JunoSnapError) -> None:
        """Say what nobody may overlook, although it says nothing about the module."""
        if isinstance(error, TrustError) and error.message not in self._warned:
            self._warned.add(error.message)
            self._observer(Notice(text=f"while checking: {error.message}", warning=True))

    def mode(self, spec: CheckSpec) -> str:
        """What the module says its method is: query, update, ...; empty where it does not say."""
        method = self._known(expectation_of(spec).method)
        return method.mode if method else ""

    def argument(self, spec: CheckSpec) -> bytes:
        """The arguments of ``spec`` as bytes.

        Raises:
            InputError: They do not fit the method.
        """
        wanted = expectation_of(spec)
        return arguments_of(wanted, self._known(wanted.method))

    def _known(self, method: str) -> ModuleMethod | None:
        return self.interface.methods.get(method) if self.interface else None

    async def _query(self, spec: CheckSpec) -> Attempt:
        await self._within(self._read_interface(), TIMEOUT_SECONDS)
        wanted = expectation_of(spec)
        try:
            argument = self.argument(spec)
        except InputError as error:
            return attempt("unknown", f"the arguments do not fit {wanted.method}: {error.message}")
        if self.mode(spec) in {"update", "oneway"}:
            return attempt("doubtful", "only an update call can tell", is_urgent=True)
        question = self._client.agent.query(
            self._module, wanted.method, argument, not_before_ns=self._not_before_ns
        )
        try:
            data = await self._within(question, spec.timeout_seconds)
        except RejectedError as error:
            return of_query_reject(error)
        return of_query(data, wanted, self.interface)

    async def _version(self, spec: CheckSpec) -> Attempt:
        content = await self._within(self._metadata(PACKAGE_METADATA), spec.timeout_seconds)
        return of_package(content, spec.expected) or await self._query(spec)

    async def _command(self, spec: CheckSpec) -> Attempt:
        agent = self._client.agent
        told = {
            "JUNO_SNAP_CHECK": spec.text,
            "JUNO_SNAP_MODULE": str(self._module),
            "JUNO_SNAP_NETWORK": agent.url,
            "JUNO_SNAP_ROOT_KEY": agent.root_key.hex(),
        }
        ended = await run_command(
            spec.command,
            stdin=b"",
            environment=clean_environment(told),
            timeout_seconds=spec.timeout_seconds,
        )
        return of_command(ended)

    async def _read_interface(self) -> None:
        # Checks that ask at the same time read it once.
        async with self._reading:
            if not self._has_read:
                content = await self._metadata(INTERFACE_METADATA)
                self.interface = interface_of(content) if content else None
                self._has_read = True

    async def _metadata(self, name: str) -> bytes | None:
        return await self._client.metadata(self._module, name, not_before_ns=self._not_before_ns)

    async def _within(self, work: Awaitable[T], seconds: float) -> T:
        async with asyncio.timeout(seconds):
            return await work
