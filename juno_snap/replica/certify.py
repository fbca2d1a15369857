"""Certificates of the local replica, signed with the root key itself: there is one subnet.

Source: interface specification, "Certification" and "The system state tree".
"""

from collections.abc import Iterable
from typing import Final, TypeAlias, final

from juno_snap.ids import Principal
from juno_snap.replica.certify_flaws import STALE_NS, spoil
from juno_snap.replica.certify_tree import Branch, Node, Value, Wanted, witness
from juno_snap.replica.faults import Flaw
from juno_snap.replica.keys import ReplicaKeys
from juno_snap.wire import bls, cbor
from juno_snap.wire.certificate import Certificate, encode_certificate
from juno_snap.wire.leb128 import encode_unsigned

STATE_ROOT_SEPARATOR: Final = b"\x0dic-state-root"
SUBNET_TYPE: Final = b"application"

CanisterRanges: TypeAlias = tuple[tuple[Principal, Principal], ...]
"""First and last canister id, inclusive; at least one pair."""


@final
class Certifier:
    """Signs views of the state. It holds no state of its own and may be used from any thread."""

    def __init__(self, keys: ReplicaKeys, ranges: CanisterRanges) -> None:
        self._keys = keys
        self._secret = keys.root_secret
        self._network = network_branches(keys, ranges)

    def certificate(
        self,
        *,
        canisters: Branch,
        requests: Branch,
        time_ns: int,
        paths: Iterable[Iterable[bytes]],
        flaw: Flaw | None = None,
    ) -> bytes:
        """A certificate that shows the time and ``paths``, or that they are absent.

        With a ``flaw`` it is one that nobody should believe.
        """
        if flaw == "stale":
            time_ns -= STALE_NS
        shown = () if flaw == "pruned" else paths
        root = Branch.of(
            {
                b"canister": canisters,
                b"request_status": requests,
                b"time": Value(encode_unsigned(time_ns)),
                **self._network,
            }
        )
        tree = witness(root, Wanted.of([(b"time",), *shown]))
        if flaw not in {None, "stale", "pruned"}:
            return spoil(tree, flaw, self._keys, time_ns)
        signature = bls.sign(self._secret, STATE_ROOT_SEPARATOR + root.digest)
        return encode_certificate(Certificate(tree=tree, signature=signature, delegation=None))


def network_branches(keys: ReplicaKeys, ranges: CanisterRanges) -> dict[bytes, Node]:
    """What never changes: the subnet, its node, and the canister ids it has."""
    range_list = Value(cbor.encode([[first.raw, last.raw] for first, last in ranges]))
    node = Branch.of({b"public_key": Value(keys.node_key_der)})
    subnet = Branch.of(
        {
            b"public_key": Value(keys.root_key_der),
            b"type": Value(SUBNET_TYPE),
            b"canister_ranges": range_list,
            b"node": Branch.of({keys.node_id.raw: node}),
        }
    )
    shards = Branch.of({ranges[0][0].raw: range_list})
    return {
        b"subnet": Branch.of({keys.subnet_id.raw: subnet}),
        b"canister_ranges": Branch.of({keys.subnet_id.raw: shards}),
    }
