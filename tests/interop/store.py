"""A module that keeps documents, in Motoko or in Rust, reached over HTTP by our own client."""

import asyncio
import hashlib
from dataclasses import dataclass

from juno_snap.agent.identity import generate_ed25519
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import Install, Snapshot, Upgrade
from juno_snap.wire.candid import NAT, TEXT, Opt, decode, encode

SEED = bytes(range(32))
OWNER = generate_ed25519(SEED)
NO_ARGUMENTS = encode([], [])
CHUNK_BYTES = 1_048_576
ONE_MESSAGE_BYTES = 2_000_000


@dataclass(frozen=True)
class Store:
    """One such module, and the client that controls it."""

    client: ManagementClient
    id: Principal

    @classmethod
    async def new(cls, client, wasm_module):
        store = cls(client, await client.provisional_create_canister())
        await store.install(Install(), wasm_module)
        return store

    async def install(self, mode, wasm_module, arg=NO_ARGUMENTS):
        """By chunks where one message is too small."""
        if len(wasm_module) <= ONE_MESSAGE_BYTES:
            await self.client.install_code(self.id, mode, wasm_module, arg)
            return
        pieces = range(0, len(wasm_module), CHUNK_BYTES)
        hashes = await asyncio.gather(
            *(
                self.client.upload_chunk(self.id, wasm_module[begin : begin + CHUNK_BYTES])
                for begin in pieces
            )
        )
        whole = hashlib.sha256(wasm_module).digest()
        await self.client.install_chunked_code(self.id, mode, hashes, whole, arg)
        await self.client.clear_chunk_store(self.id)

    async def upgrade(self, wasm_module, **options):
        """Stop, upgrade, start; it is started also where the upgrade fails."""
        await self.client.stop_canister(self.id)
        try:
            await self.install(Upgrade(**options), wasm_module)
        finally:
            await self.client.start_canister(self.id)

    async def take(self) -> Snapshot:
        await self.client.stop_canister(self.id)
        taken = await self.client.take_canister_snapshot(self.id)
        await self.client.start_canister(self.id)
        return taken

    async def load(self, snapshot):
        await self.client.stop_canister(self.id)
        await self.client.load_canister_snapshot(self.id, snapshot)
        await self.client.start_canister(self.id)

    async def write(self, key, value):
        await self._update("set_document", key, value)

    async def write_and_trap(self, key, value):
        await self._update("set_document_and_trap", key, value)

    async def read(self, key):
        reply = await self.client.agent.query(self.id, "document", encode([TEXT], [key]))
        return decode(reply, [Opt(TEXT)])[0]

    async def version(self):
        return decode(await self.client.agent.query(self.id, "version", NO_ARGUMENTS), [TEXT])[0]

    async def writes(self):
        """How many writes the heap has counted."""
        reply = await self.client.agent.query(self.id, "count_writes", NO_ARGUMENTS)
        return decode(reply, [NAT])[0]

    async def _update(self, method, key, value):
        await self.client.agent.call(self.id, method, encode([TEXT, TEXT], [key, value]))
