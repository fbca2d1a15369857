"""A small client of the replica, written for tests: httpx, ``wire``, and nothing of ``agent``."""

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from juno_snap.ids import ANONYMOUS, MANAGEMENT_CANISTER, Principal
from juno_snap.replica.management.methods import METHODS
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.wire import cbor
from juno_snap.wire.candid import Tagged, decode, encode
from juno_snap.wire.certificate import CanisterScope, request_status, verify_certificate
from juno_snap.wire.query_response import decode_query_response
from juno_snap.wire.request_status import Pending, Replied, StatusAbsent
from tests.replica import requests
from tests.replica.requests import ALICE, MINUTE_NS

WAT = Path(__file__).parent / "wat"
POLLS_MAX = 6000
HEADERS = {"content-type": "application/cbor"}
NOWHERE = Principal(b"\0\0\0\0\0\0\0\x63\1\1")


def wasm(name):
    """The module of ``wat/<name>.wat``."""
    return wasm_from_text((WAT / f"{name}.wat").read_text(encoding="utf-8"))


@dataclass
class Client:
    """Talks to one replica; requests are signed by ``key``, None for nobody."""

    replica: object
    key: requests.Key | None = ALICE

    def __post_init__(self):
        self.http = httpx.Client(base_url=self.replica.url, timeout=30)
        self.nonces = itertools.count()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()

    @property
    def sender(self):
        return ANONYMOUS if self.key is None else self.key.principal

    def as_(self, key):
        return Client(self.replica, key)

    def expiry_ns(self):
        return time.time_ns() + MINUTE_NS

    def call_content(self, canister_id, method, arg=b"", **fields):
        return requests.call(
            canister_id,
            method,
            arg,
            **(
                {"sender": self.sender, "expiry_ns": self.expiry_ns(), "nonce": self.nonce()}
                | fields
            ),
        )

    def nonce(self):
        return next(self.nonces).to_bytes(8, "big")

    def post(self, kind, target, body, *, version, scope="canister", headers=None):
        return self.http.post(
            f"/api/v{version}/{scope}/{target}/{kind}",
            content=body,
            headers=HEADERS if headers is None else headers,
        )

    def post_call(self, content, *, version=4, target=None):
        """The HTTP answer to a call."""
        body = requests.body(content, self.key)
        return self.post("call", target or content.canister_id, body, version=version)

    def outcome(self, answer, content, *, target=None):
        """What the certificate in a 200 says of the call."""
        fields = cbor.decode_map(answer.content)
        assert fields["status"] == "replied", fields
        verified = self.verify(fields["certificate"], target or content.canister_id)
        return request_status(verified, content.request_id())

    def call(self, canister_id, method, arg=b"", *, target=None, **fields):
        """The certified outcome of a call."""
        content = self.call_content(canister_id, method, arg, **fields)
        answer = self.post_call(content, target=target)
        if answer.status_code == 202:
            return self.wait_for(content, target or canister_id)
        assert answer.status_code == 200, answer.text
        return self.outcome(answer, content, target=target)

    def wait_for(self, content, target):
        """The certified outcome of a call of which the network had no more to say at once."""
        request_id = content.request_id()
        for _ in range(POLLS_MAX):
            certificate = self.read(target, [b"request_status", request_id])
            outcome = request_status(certificate, request_id)
            if not isinstance(outcome, Pending | StatusAbsent):
                return outcome
        raise AssertionError(outcome)

    def query(self, canister_id, method, arg=b"", *, version=3, target=None):
        """The answer to a query, and its request id."""
        content = requests.query(
            canister_id, method, arg, sender=self.sender, expiry_ns=self.expiry_ns()
        )
        body = requests.body(content, self.key)
        answer = self.post("query", target or canister_id, body, version=version)
        assert answer.status_code == 200, answer.text
        return decode_query_response(answer.content), content.request_id()

    def post_read(self, target, *paths, version=3, scope="canister"):
        """The HTTP answer to a read."""
        content = requests.read_state(*paths, sender=self.sender, expiry_ns=self.expiry_ns())
        body = requests.body(content, self.key)
        return self.post("read_state", target, body, version=version, scope=scope)

    def read(self, target, *paths, **where):
        """The verified certificate that shows ``paths``."""
        answer = self.post_read(target, *paths, **where)
        assert answer.status_code == 200, answer.text
        return self.verify(cbor.decode_map(answer.content)["certificate"], target)

    def verify(self, certificate, canister_id):
        return verify_certificate(
            certificate,
            root_key=self.replica.root_key,
            scope=CanisterScope(canister_id),
            now_ns=time.time_ns(),
        )

    def manage(self, method, target, **fields):
        """The result of a management call."""
        payload = encode([METHODS[method].arguments], [fields])
        outcome = self.call(MANAGEMENT_CANISTER, method, payload, target=target)
        assert isinstance(outcome, Replied), outcome
        values = decode(outcome.reply, METHODS[method].results)
        return values[0] if values else None

    def create(self, module=None):
        """A new canister, with the code of ``wat/<module>.wat`` in it."""
        created = self.manage("provisional_create_canister_with_cycles", MANAGEMENT_CANISTER)
        canister_id = created["canister_id"]
        if module is not None:
            self.install(canister_id, wasm(module))
        return canister_id

    def install(self, canister_id, wasm_module, mode="install"):
        self.manage(
            "install_code",
            canister_id,
            canister_id=canister_id,
            mode=Tagged(mode),
            wasm_module=wasm_module,
            arg=b"",
        )
