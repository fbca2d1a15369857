"""A node whose every certificate and signature is real, under keys of its own; no Wasm, no HTTP.

``Scripted(otherwise=node)`` makes it a network. What it answers can be changed by its attributes,
or by putting steps before it that are made of its parts (``certificate``, ``call_answer``).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.identity import generate_ed25519
from juno_snap.agent.transport import Answer
from juno_snap.ids import Principal, RequestId
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire import bls
from juno_snap.wire.cbor import encode
from juno_snap.wire.certificate import (
    Certificate,
    SubnetDelegation,
    encode_certificate,
    signing_message,
)
from juno_snap.wire.envelope import CallContent, QueryContent, decode_envelope
from juno_snap.wire.hashtree import Empty, Fork, HashTree, Labeled, Leaf, Pruned, root_hash
from juno_snap.wire.leb128 import encode_unsigned
from juno_snap.wire.query_response import (
    NodeSignature,
    QueryReplied,
    QueryResponse,
    encode_query_response,
    node_signing_payload,
)
from juno_snap.wire.signature import ed25519_public_der, sign_ed25519
from tests.fake_clock import FakeClock
from tests.scripted import Request, Scripted, cbor_answer, text_answer

CANISTER = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")
OTHER_CANISTER = Principal.parse("rdmx6-jaaaa-aaaaa-aaadq-cai")
SECRET = bytes(31) + b"\x07"
OTHER_SECRET = bytes(31) + b"\x08"
NODE_SEED = bytes(31) + b"\x09"
IDENTITY = generate_ed25519(bytes(range(32)))
REPLY = b"DIDL\x00\x00"

Branch = Mapping[bytes, "Branch | bytes | HashTree"]


def tree_of(branch: Branch | bytes | HashTree) -> HashTree:
    """A hash tree of nested maps; bytes are leaves, trees are taken as they are."""
    if isinstance(branch, bytes):
        return Leaf(branch)
    if not isinstance(branch, Mapping):
        return branch
    nodes: list[HashTree] = [Labeled(label, tree_of(branch[label])) for label in sorted(branch)]
    tree: HashTree = nodes.pop() if nodes else Empty()
    while nodes:
        tree = Fork(nodes.pop(), tree)
    return tree


def root_key_of(secret: bytes) -> bytes:
    return bls.public_key_to_der(bls.public_key(secret))


def certify(
    tree: HashTree, secret: bytes = SECRET, delegation: SubnetDelegation | None = None
) -> bytes:
    """An encoded certificate, signed with ``secret``."""
    signature = bls.sign(secret, signing_message(tree))
    return encode_certificate(Certificate(tree=tree, signature=signature, delegation=delegation))


def replied(reply: bytes = REPLY) -> Branch:
    return {b"status": b"replied", b"reply": reply}


def rejected(code: int, message: str, error_code: str) -> Branch:
    return {
        b"status": b"rejected",
        b"reject_code": encode_unsigned(code),
        b"reject_message": message.encode(),
        b"error_code": error_code.encode(),
    }


def under_way(status: bytes = b"processing") -> Branch:
    return {b"status": status}


class FakeNode:
    """Knows calls by their id, runs none: ``outcome`` says what becomes of each new call."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.ahead_seconds = 0.0
        self.call_versions = {4, 3, 2}
        self.read_versions = {3, 2}
        self.outcome: Callable[[CallContent], Branch | None] = lambda _call: replied()
        self.answers_calls_at_once = True
        self.statuses: dict[RequestId, Branch] = {}
        self.calls: list[CallContent] = []
        self.node_seed = NODE_SEED
        self.subnet_id = Principal.self_authenticating(root_key_of(SECRET))

    @property
    def time_ns(self) -> int:
        return self.clock.now_ns() + round(self.ahead_seconds * NS_PER_SECOND)

    @property
    def node_id(self) -> Principal:
        return Principal.self_authenticating(ed25519_public_der(self.node_seed))

    def __call__(self, request: Request) -> Answer:
        version, kind = int(request.path.split("/")[2][1:]), request.path.rsplit("/", 1)[1]
        if kind == "status":
            return cbor_answer(
                {"root_key": root_key_of(SECRET), "replica_health_status": "healthy"}
            )
        if version not in (self.call_versions if kind == "call" else self.read_versions):
            return text_answer(404, "not found")
        assert request.body is not None
        if kind == "call":
            return self._call(request.body, version)
        return self._query(request.body) if kind == "query" else self.read_answer()

    def state(self, statuses: Branch | HashTree | None = None) -> dict[bytes, object]:
        """The state tree as nested maps; ``statuses`` in place of those of this node."""
        return {
            b"time": encode_unsigned(self.time_ns),
            b"subnet": {
                self.subnet_id.raw: {
                    b"public_key": root_key_of(SECRET),
                    b"node": {
                        self.node_id.raw: {b"public_key": ed25519_public_der(self.node_seed)}
                    },
                }
            },
            b"request_status": self.statuses if statuses is None else statuses,
        }

    def certificate(self, **changes: object) -> bytes:
        """The whole state, certified; ``changes`` replace what stands under a top label."""
        state = self.state() | {name.encode(): value for name, value in changes.items()}
        return certify(tree_of(state))

    def read_answer(self, **changes: object) -> Answer:
        return cbor_answer({"certificate": self.certificate(**changes)})

    def call_answer(self, certificate: bytes) -> Answer:
        return cbor_answer({"status": "replied", "certificate": certificate})

    def _call(self, body: bytes, version: int) -> Answer:
        content = decode_envelope(body).content
        assert isinstance(content, CallContent)
        self.calls.append(content)
        request_id = content.request_id()
        if request_id not in self.statuses:
            outcome = self.outcome(content)
            if outcome is not None:
                self.statuses[request_id] = outcome
        if version == 2 or not self.answers_calls_at_once:
            return text_answer(202, "accepted")
        return self.call_answer(self.certificate())

    def _query(self, body: bytes) -> Answer:
        content = decode_envelope(body).content
        assert isinstance(content, QueryContent)
        return self.sign_query(QueryReplied(arg=REPLY), content.request_id())

    def sign_query(self, response: QueryResponse, request_id: RequestId) -> Answer:
        """A query's answer, signed by this node now."""
        payload = node_signing_payload(response, request_id, self.time_ns)
        signature = NodeSignature(
            node_id=self.node_id,
            timestamp_ns=self.time_ns,
            signature=sign_ed25519(self.node_seed, payload),
        )
        body = encode_query_response(replace(response, signatures=(signature,)))
        return Answer(status=200, content_type="application/cbor", body=body)


def hidden(branch: Branch) -> Pruned:
    """A subtree of which only the hash is shown."""
    return Pruned(root_hash(tree_of(branch)))


def reject_answer(code: int, message: str, error_code: str, *, version: int = 4) -> Answer:
    """A reject that one node makes on its own."""
    fields = {"reject_code": code, "reject_message": message, "error_code": error_code}
    if version > 2:
        fields["status"] = "non_replicated_rejection"
    return Answer(status=200, content_type="application/cbor", body=encode(fields))


def no_entropy(count: int) -> bytes:
    """Random bytes for tests: zeros, so that no wait is shortened."""
    return bytes(count)


class Counting:
    """Random bytes for tests: all different, the same in each run."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, count: int) -> bytes:
        self._count += 1
        return self._count.to_bytes(count, "big")


async def agent_for(network: Scripted, clock: FakeClock, identity=IDENTITY, **options):
    """An agent that talks to ``network`` and trusts ``FakeNode``'s key."""
    chosen = AgentOptions(url=network.url, root_key=root_key_of(SECRET), **options)
    return await open_agent(chosen, identity, clock=clock, transport=network, entropy=Counting())
