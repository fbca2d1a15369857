"""What becomes of the snapshots that are there: the table of the design, and what always holds."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.errors import InputError, NotFoundError
from juno_snap.pipeline.plan_parts import Refusal
from juno_snap.pipeline.policy import (
    FreeSlot,
    KeepNewest,
    NoOverwrite,
    NoSnapshot,
    ReplaceSnapshot,
    SnapshotChoice,
    choose_scrap,
    choose_snapshots,
    giving_up,
)
from juno_snap.units import SNAPSHOTS_MAX
from tests.unit.pipeline.values import (
    MODULE,
    OTHER_MODULE,
    note,
    notes,
    scrap_note,
    snapshot_id,
    snapshots,
    upgrade_note,
)

BEFORE_NS = 1
"""The code was installed before any of the snapshots was taken."""
AFTER_NS = 10_000
"""After all of them."""


NOTES = {
    "u": upgrade_note,
    "f": lambda number: scrap_note(number, "failed"),
    "r": scrap_note,
    "p": lambda number: note(number, "user", "by-hand", "upgraded"),
    "?": note,
    "s": lambda number: note(number, "safety", "back", "restored"),
    "o": lambda number: note(number, "upgrade", "unfinished"),
    "U": lambda number: upgrade_note(number, is_protected=True),
    "F": lambda number: scrap_note(number, "failed", is_protected=True),
    "P": lambda number: note(number, "user", is_protected=True),
    "l": lambda number: upgrade_note(number, label="mine"),
}
"""A letter for each kind of snapshot: an upgrade's, scrap of one that failed or went back, a
person's, one of an unknown maker, safety, an unfinished operation's; capitals are protected; the
last is an upgrade's that has a label."""


def known(makers: str):
    """Snapshots, the oldest first, and what is known of them."""
    found = [NOTES[maker](number) for number, maker in enumerate(makers)]
    return snapshots(len(makers)), notes(*found)


def choose(policy, makers, *, installed_at_ns=AFTER_NS, **options):
    there, found = known(makers)
    return choose_snapshots(
        policy, there, notes=found, module=MODULE, installed_at_ns=installed_at_ns, **options
    )


def places(choice):
    """(taken, those given up, whether the first of them at once), by number."""
    numbers = [int.from_bytes(gone.raw[:8], "big") for gone in choice.give_up]
    return choice.take, numbers, choice.gives_up_at_once


def keep(count):
    return KeepNewest(count=count)


def keep_any(count):
    return KeepNewest(count=count, of_any_maker=True)


# What is said, the snapshots that are there, those that go. The first of them makes room where
# there is none; the others go after verification.
TABLE = [
    pytest.param(FreeSlot(), "", [], id="nothing said, none there"),
    pytest.param(FreeSlot(), "?p", [], id="nothing said, no earlier one known"),
    pytest.param(FreeSlot(), "u", [0], id="nothing said, the last upgrade's goes"),
    pytest.param(FreeSlot(), "uu?", [1], id="nothing said, of several only the last upgrade's"),
    pytest.param(FreeSlot(), "uU", [], id="nothing said, the last upgrade's is protected"),
    pytest.param(FreeSlot(), "ul", [], id="nothing said, the last upgrade's has a label"),
    pytest.param(FreeSlot(), "so", [], id="nothing said, safety and unfinished ones stay"),
    pytest.param(FreeSlot(), "uf", [1, 0], id="nothing said, scrap goes first"),
    pytest.param(FreeSlot(), "fuf", [0, 2, 1], id="nothing said, all scrap goes"),
    pytest.param(FreeSlot(), "F", [], id="nothing said, protected scrap stays"),
    pytest.param(FreeSlot(), "?????????u", [9], id="full, the earlier upgrade's is replaced"),
    pytest.param(FreeSlot(), "uuuuuuuuuu", [0], id="full of upgrades', the oldest makes room"),
    pytest.param(FreeSlot(), "Uu????????", [1], id="full, a protected one is passed over"),
    pytest.param(FreeSlot(), "u???????f?", [8, 0], id="full, scrap makes room, then as ever"),
    pytest.param(keep(1), "uu?", [0, 1], id="keep 1"),
    pytest.param(keep(2), "uu?", [0], id="keep 2"),
    pytest.param(keep(3), "uu?", [], id="keep 3, as many with the new one"),
    pytest.param(keep(1), "Ulpso?", [], id="keep 1, none of those is ours to give up"),
    pytest.param(keep(2), "uUu", [0], id="keep 2, protected ones do not count"),
    pytest.param(keep(5), "ufu", [1], id="keep 5, scrap is not worth keeping"),
    pytest.param(keep(9), "u?????????", [0], id="keep 9, full: there is room for fewer"),
    pytest.param(keep_any(1), "up?", [0, 1, 2], id="keep 1 of any maker"),
    pytest.param(keep_any(2), "lp?", [0, 1], id="keep 2 of any maker, labels do not count"),
    pytest.param(keep_any(1), "UPso", [], id="keep 1 of any maker, but what must stay"),
    pytest.param(keep_any(3), "pf??", [1, 0], id="keep 3 of any maker, scrap goes first"),
    pytest.param(keep_any(10), "??????????", [0], id="keep 10 of any maker, full"),
    pytest.param(keep_any(9), "PPPPPPPPp?", [8], id="keep 9 of any maker, full: one must go"),
    pytest.param(NoOverwrite(), "uf???????", [], id="no overwrite, one slot free"),
    pytest.param(ReplaceSnapshot(which="oldest"), "", [], id="replace the oldest of none"),
    pytest.param(ReplaceSnapshot(which="oldest"), "?u", [0], id="replace the oldest"),
    pytest.param(ReplaceSnapshot(which="oldest"), "PsoUlf", [4], id="replace the oldest spare one"),
    pytest.param(ReplaceSnapshot(which="oldest"), "Ps", [], id="none to replace, a slot is free"),
    pytest.param(ReplaceSnapshot(which="latest"), "p?fs", [1], id="replace the latest state"),
    pytest.param(ReplaceSnapshot(which="mine"), "?l?", [1], id="replace the one with a label"),
    pytest.param(ReplaceSnapshot(which=str(snapshot_id(1))), "usu", [1], id="replace safety by id"),
]


@pytest.mark.parametrize(("policy", "makers", "going"), TABLE)
def test_what_is_said_decides_what_goes(policy, makers, going):
    assert places(choose(policy, makers)) == (True, going, False)


@pytest.mark.parametrize("makers", ["", "u", "uf?p", "??????????", "uuuuuuuuuf"])
def test_no_snapshot_takes_none_and_gives_none_up(makers):
    assert choose(NoSnapshot(), makers) == SnapshotChoice(take=False)


@pytest.mark.parametrize("makers", ["??????????", "uuuuuuuuuu", "ffffffffff"])
def test_without_overwriting_a_full_module_takes_none(makers):
    assert choose(NoOverwrite(), makers) == SnapshotChoice(take=False)


@pytest.mark.parametrize(
    ("policy", "makers"),
    [
        pytest.param(FreeSlot(), "??????????", id="unknown makers"),
        pytest.param(FreeSlot(), "Ulpso?????", id="none that may go by itself"),
        pytest.param(keep(1), "p?????????", id="keep 1"),
        pytest.param(keep(10), "Ppppppppps", id="keep 10"),
    ],
)
def test_a_full_module_is_refused_with_every_way_out(policy, makers):
    refusal = choose(policy, makers)
    assert refusal.code == "no-free-slot"
    assert refusal.flags == (
        "--replace ID|oldest", "--keep N --any", "--no-overwrite", "--no-snapshot",
    )  # fmt: skip


@pytest.mark.parametrize(
    "policy", [FreeSlot(), keep(1), keep_any(1), ReplaceSnapshot(which="oldest")]
)
@pytest.mark.parametrize("makers", ["PPPPPPPPPP", "PUFsoPUFso"])
def test_a_full_module_where_all_must_stay_is_refused_with_what_still_helps(policy, makers):
    refusal = choose(policy, makers)
    assert refusal.code == "no-free-slot"
    assert "protected" in refusal.text
    assert refusal.flags == ("--replace ID --force", "--no-overwrite", "--no-snapshot")


def test_protection_holds_until_it_is_lifted_by_force():
    named = ReplaceSnapshot(which=str(snapshot_id(1)))
    refusal = choose(named, "uPu")
    assert (refusal.code, refusal.flags) == ("snapshot-protected", ("--force",))
    assert str(snapshot_id(1)) in refusal.text
    assert places(choose(named, "uPu", may_touch_protected=True)) == (True, [1], False)


@pytest.mark.parametrize("policy", [FreeSlot(), keep(1), keep_any(1)])
def test_force_finds_no_protected_one_by_itself(policy):
    assert places(choose(policy, "UPU", may_touch_protected=True)) == (True, [], False)


@pytest.mark.parametrize("is_forced", [False, True])
def test_an_unfinished_operations_snapshot_is_not_replaced_even_by_force(is_forced):
    refusal = choose(ReplaceSnapshot(which=str(snapshot_id(0))), "o", may_touch_protected=is_forced)
    assert refusal.code == "snapshot-in-use"
    assert "unfinished" in refusal.text


def test_the_snapshot_to_replace_must_exist_and_be_the_modules():
    with pytest.raises(NotFoundError):
        choose(ReplaceSnapshot(which="ff"), "u")
    with pytest.raises(NotFoundError):
        choose(ReplaceSnapshot(which=str(snapshot_id(0, OTHER_MODULE))), "u")
    with pytest.raises(InputError):
        choose(ReplaceSnapshot(which="0"), "uu")


@pytest.mark.parametrize(
    ("makers", "installed_at_ns", "is_at_once"),
    [
        pytest.param("?f", BEFORE_NS, True, id="failed, and the old code still runs"),
        pytest.param("?f", AFTER_NS, False, id="failed, and left other code behind"),
        pytest.param("?f", None, False, id="failed, and what it left is not known"),
        pytest.param("?r", AFTER_NS, True, id="went back"),
        pytest.param("?r", None, True, id="went back, install not known"),
        pytest.param("?u", BEFORE_NS, False, id="ended well"),
    ],
)
def test_scrap_makes_room_at_once_unless_it_is_the_way_back_from_other_code(
    makers, installed_at_ns, is_at_once
):
    choice = choose(FreeSlot(), makers, installed_at_ns=installed_at_ns)
    assert places(choice) == (True, [1], is_at_once)


def test_of_several_scraps_one_that_is_no_way_back_makes_room():
    assert places(choose(FreeSlot(), "ffr")) == (True, [2, 0, 1], True)
    there, found = known("ffr")
    scrap = choose_scrap(there, notes=found, installed_at_ns=AFTER_NS)
    assert scrap == there[2]
    kept = choose_scrap(there, notes=found, installed_at_ns=AFTER_NS, needed=there[2].id)
    assert kept == there[0]


def test_a_run_that_is_tried_again_and_again_leaves_one_snapshot():
    makers = "u"
    for _ in range(20):
        choice = choose(FreeSlot(), makers, installed_at_ns=BEFORE_NS)
        # The run fails, so nothing is given up but what made room.
        makers = makers.replace("f", "") if choice.gives_up_at_once else makers
        makers += "f"
    assert makers == "uf"


def test_giving_up_a_way_back_is_told_from_replacing_scrap():
    _, found = known("uf")
    assert giving_up(snapshot_id(0), found).code == "way-back-given-up"
    scrap = giving_up(snapshot_id(1), found)
    assert scrap.code == "scrap-replaced"
    assert "op-1" in scrap.text
    assert "failed" in scrap.text


AUTOMATIC = st.one_of(
    st.just(FreeSlot()),
    st.just(NoOverwrite()),
    st.just(NoSnapshot()),
    st.builds(KeepNewest, count=st.integers(1, 10), of_any_maker=st.booleans()),
    st.just(ReplaceSnapshot(which="oldest")),
)
MAKERS = st.text(alphabet="ufrp?soUFlP", max_size=SNAPSHOTS_MAX)
INSTALLED = st.sampled_from([None, BEFORE_NS, AFTER_NS, 1004])
MUST_STAY = set("soUFP")
FOREIGN = set("p?l")


@given(policy=AUTOMATIC, makers=MAKERS, installed=INSTALLED, force=st.booleans())
def test_what_must_stay_is_given_up_by_no_policy(policy, makers, installed, force):
    choice = choose(policy, makers, installed_at_ns=installed, may_touch_protected=force)
    if isinstance(choice, Refusal):
        assert len(makers) == SNAPSHOTS_MAX
        return
    _, going, _ = places(choice)
    letters = {makers[number] for number in going}
    assert letters & MUST_STAY == set()
    says_any = policy == ReplaceSnapshot(which="oldest") or (
        isinstance(policy, KeepNewest) and policy.of_any_maker
    )
    if not says_any:
        assert letters & FOREIGN == set()


@given(policy=AUTOMATIC, makers=MAKERS, installed=INSTALLED)
def test_there_is_always_room_and_never_less_than_was_asked_for(policy, makers, installed):
    choice = choose(policy, makers, installed_at_ns=installed)
    if isinstance(choice, Refusal):
        return
    take, going, is_at_once = places(choice)
    assert len(set(going)) == len(going)
    assert going == [] or take
    assert going != [] or not is_at_once
    # Full modules have to give one up by the call that takes the new one.
    assert not take or len(makers) < SNAPSHOTS_MAX or going
    after = len(makers) - len(going) + take
    assert after <= SNAPSHOTS_MAX
    if isinstance(policy, KeepNewest):
        counted = "ufrlp?" if policy.of_any_maker else "ufr"
        left = [
            maker for number, maker in enumerate(makers) if maker in counted and number not in going
        ]
        assert len(left) + 1 <= policy.count
        # A full module may have room for one fewer than was asked for.
        worth = sum(maker in counted and maker not in "fr" for maker in makers)
        is_full = len(makers) == SNAPSHOTS_MAX
        assert len(left) + 1 >= min(policy.count, worth + 1) - is_full
    if isinstance(policy, NoOverwrite):
        assert going == []


@given(makers=MAKERS, installed=INSTALLED)
def test_nothing_said_gives_up_one_good_way_back_at_most(makers, installed):
    choice = choose(FreeSlot(), makers, installed_at_ns=installed)
    if isinstance(choice, Refusal):
        return
    _, going, _ = places(choice)
    assert sum(makers[number] == "u" for number in going) <= 1


@given(policy=AUTOMATIC, makers=MAKERS, installed=INSTALLED)
def test_the_order_in_which_the_network_lists_them_does_not_count(policy, makers, installed):
    there, found = known(makers)
    options = {"notes": found, "module": MODULE, "installed_at_ns": installed}
    backwards = choose_snapshots(policy, there[::-1], **options)
    assert backwards == choose_snapshots(policy, there, **options)


def test_of_two_taken_at_the_same_time_the_smaller_id_is_the_older():
    there = tuple(dataclasses.replace(old, taken_at_ns=5) for old in snapshots(2))
    choice = choose_snapshots(ReplaceSnapshot(which="oldest"), there[::-1], notes={}, module=MODULE)
    assert choice.give_up == (there[0].id,)
