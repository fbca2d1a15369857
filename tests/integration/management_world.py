"""A management client of a local replica, over HTTP, and modules to manage."""

import contextlib
import os

import pytest

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.identity import anonymous, generate_ed25519
from juno_snap.agent.transport import Answer
from juno_snap.errors import RejectedError
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import Install
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.wire.leb128 import encode_unsigned

OWNER = generate_ed25519(bytes(31) + b"\x01")
STRANGER = generate_ed25519(bytes(31) + b"\x02")
NOBODY = anonymous()
NO_ARGUMENTS = b"DIDL\x00\x00"

TALKER = """
(module
  (import "ic0" "debug_print" (func $print (param i32 i32)))
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
  (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
  (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
  (memory 1)
  (global $count (mut i32) (i32.const 0))
  (global $exported (export "exported") (mut i64) (i64.const -5))
  (data (i32.const 0) "hello")
  (data (i32.const 16) "DIDL\\00\\00")
  (data (i32.const 32) "DIDL\\00\\01\\79")
  (func $answer (call $append (i32.const 16) (i32.const 6)) (call $reply))
  (func (export "canister_update speak")
    (call $print (i32.const 0) (i32.const 5))
    (call $answer))
  (func (export "canister_update count")
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.store (i32.const 64) (global.get $count))
    (call $answer))
  (func (export "canister_update store")
    (drop (call $grow (i64.const 1)))
    (call $write (i64.const 3) (i64.const 0) (i64.const 5))
    (call $certify (i32.const 0) (i32.const 5))
    (call $answer))
  (func (export "canister_query counted")
    (i32.store (i32.const 39) (global.get $count))
    (call $append (i32.const 32) (i32.const 11))
    (call $reply))
  (func (export "canister_pre_upgrade")
    (if (i32.eq (global.get $count) (i32.const 99)) (then unreachable)))
  (func (export "canister_update lock") (global.set $count (i32.const 99)) (call $answer))
)
"""


def talker():
    """A module that logs, counts in its heap, and writes to its stable memory."""
    return wasm_from_text(TALKER)


def with_section(wasm, name, content):
    """The module with a custom section more."""
    body = encode_unsigned(len(name)) + name.encode() + content
    return wasm + b"\x00" + encode_unsigned(len(body)) + body


def large(wasm, size_bytes):
    """The module, made larger by noise that does not compress."""
    return with_section(wasm, "noise", os.urandom(size_bytes))


class OlderNetwork:
    """A transport to a network that does not know one label, and refuses paths with it."""

    def __init__(self, below, label):
        self.below = below
        self.label = label

    @property
    def url(self):
        return self.below.url

    async def send(self, path, body, **limits):
        if body is not None and self.label in body:
            return Answer(status=404, content_type="text/plain", body=b"Invalid path requested.")
        return await self.below.send(path, body, **limits)

    async def aclose(self):
        await self.below.aclose()


@contextlib.asynccontextmanager
async def client_of(replica, identity=OWNER, *, transport=None):
    """A client whose root key is the replica's."""
    options = AgentOptions(url=replica.url, root_key=replica.root_key)
    async with await open_agent(options, identity, transport=transport) as agent:
        yield ManagementClient(agent)


async def install_talker(client):
    """A new module that runs ``talker``."""
    module = await client.provisional_create_canister()
    await client.install_code(module, Install(), talker(), b"")
    return module


async def call(client, module, method):
    """Make the module do something."""
    return (await client.agent.call(module, method, NO_ARGUMENTS)).reply


async def counted(client, module):
    """What the module has counted."""
    return (await client.agent.query(module, "counted", NO_ARGUMENTS))[7:]


@contextlib.contextmanager
def rejects(error_code, match=".", *, certified=True):
    """The block is refused by the network, with this code and text."""
    with pytest.raises(RejectedError, match=match) as caught:
        yield caught
    assert caught.value.error_code == error_code
    assert caught.value.certified is certified
    assert caught.value.reject_code == int(error_code[2:4])
