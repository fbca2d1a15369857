"""The canisters' part of the state tree, kept up with the state they are in.

``CanisterTrees`` looks at the state and so belongs to the executor thread. What it publishes is
immutable: the event loop certifies from it while the next message runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, final

from juno_snap.ids import Principal
from juno_snap.replica.certify_tree import Branch, Node, Value
from juno_snap.replica.state import Canister
from juno_snap.wire import cbor
from juno_snap.wire.leb128 import encode_unsigned


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CanisterView:
    """What decides who may read of a canister."""

    controllers: frozenset[Principal]
    private_sections: frozenset[bytes]

    def may_read_section(self, name: bytes, reader: Principal) -> bool:
        """Whether ``reader`` may see the metadata section, or that there is none."""
        return name not in self.private_sections or reader in self.controllers


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCanisters:
    """All canisters as they were after a round."""

    branch: Branch = field(default_factory=Branch)
    views: Mapping[Principal, CanisterView] = field(default_factory=dict)


_Fingerprint: TypeAlias = tuple[tuple[Principal, ...], bytes | None, bytes, int | None, int | None]
"""What the tree of one canister is made from; the module's hash stands for its metadata."""


@final
class CanisterTrees:
    """Makes a canister's tree anew only where something in it has changed."""

    def __init__(self) -> None:
        self.published = PublishedCanisters()
        self._seen: dict[Principal, _Fingerprint] = {}

    def refresh(self, canisters: Mapping[Principal, Canister]) -> PublishedCanisters:
        """The canisters as they are now; also kept as ``published``."""
        branch, views = self.published.branch, dict(self.published.views)
        changed = False
        for gone in self._seen.keys() - canisters.keys():
            branch, changed = branch.remove(gone.raw), True
            del views[gone], self._seen[gone]
        for canister_id, canister in canisters.items():
            fingerprint = _fingerprint(canister)
            if self._seen.get(canister_id) != fingerprint:
                branch, changed = branch.put(canister_id.raw, canister_branch(canister)), True
                views[canister_id] = _view(canister)
                self._seen[canister_id] = fingerprint
        if changed:
            self.published = PublishedCanisters(branch=branch, views=views)
        return self.published


def canister_branch(canister: Canister) -> Branch:
    """The tree below ``/canister/<id>``.

    Source: interface specification, "The system state tree".
    """
    controllers = [controller.raw for controller in canister.controllers]
    children: dict[bytes, Node] = {
        b"controllers": Value(cbor.encode(controllers)),
        b"canister_creation_timestamp": Value(encode_unsigned(canister.created_at_ns)),
    }
    if canister.module_hash is not None:
        children[b"module_hash"] = Value(canister.module_hash)
        children[b"certified_data"] = Value(canister.certified_data)
        children[b"metadata"] = Branch.of(
            {name.encode(): Value(content) for name, (_, content) in canister.metadata.items()}
        )
        if canister.last_install_at_ns is not None:
            installed_at = Value(encode_unsigned(canister.last_install_at_ns))
            children[b"last_install_timestamp"] = installed_at
    return Branch.of(children)


def _fingerprint(canister: Canister) -> _Fingerprint:
    return (
        canister.controllers,
        canister.module_hash,
        canister.certified_data,
        canister.created_at_ns,
        canister.last_install_at_ns,
    )


def _view(canister: Canister) -> CanisterView:
    return CanisterView(
        controllers=frozenset(canister.controllers),
        private_sections=frozenset(
            name.encode() for name, (is_public, _) in canister.metadata.items() if not is_public
        ),
    )
