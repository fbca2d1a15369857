"""The canisters' part of the state tree follows the state, and only where it changed."""

from dataclasses import replace

from juno_snap.ids import Principal
from juno_snap.replica.certify_canisters import CanisterTrees
from juno_snap.replica.state import Canister, Settings, canister_id
from juno_snap.wire import cbor
from tests.replica.requests import ALICE, BOB


def a_canister(number):
    return Canister(
        canister_id=canister_id(number),
        settings=Settings(controllers=(ALICE.principal,)),
        created_at_ns=1,
        cycles=0,
    )


def state_of(*canisters):
    return {canister.canister_id: canister for canister in canisters}


def test_without_a_change_the_same_is_published():
    trees = CanisterTrees()
    canisters = state_of(a_canister(1), a_canister(2))
    assert trees.refresh(canisters) is trees.refresh(canisters)


def test_a_change_makes_one_canister_anew():
    trees = CanisterTrees()
    one, other = a_canister(1), a_canister(2)
    before = trees.refresh(state_of(one, other))
    one.settings = replace(one.settings, controllers=(BOB.principal,))
    after = trees.refresh(state_of(one, other))
    assert after.branch.digest != before.branch.digest
    assert after.branch.find(other.canister_id.raw) is before.branch.find(other.canister_id.raw)
    controllers = after.branch.find(one.canister_id.raw).find(b"controllers").content
    assert cbor.decode(controllers) == [BOB.principal.raw]
    assert after.views[one.canister_id].controllers == {BOB.principal}


def test_what_was_published_before_stays_as_it_was():
    trees = CanisterTrees()
    one = a_canister(1)
    before = trees.refresh(state_of(one))
    digest = before.branch.digest
    trees.refresh(state_of(one, a_canister(2)))
    trees.refresh({})
    assert before.branch.labels() == [one.canister_id.raw]
    assert before.branch.digest == digest


def test_a_deleted_canister_is_gone():
    trees = CanisterTrees()
    one, other = a_canister(1), a_canister(2)
    trees.refresh(state_of(one, other))
    published = trees.refresh(state_of(other))
    assert published.branch.labels() == [other.canister_id.raw]
    assert Principal(one.canister_id.raw) not in published.views
