"""What a person may delete, and how a snapshot is told."""

import pytest

from juno_snap.errors import InputError, NotFoundError, PreconditionError
from juno_snap.pipeline.listing import SnapshotList
from juno_snap.pipeline.snapshots import choose_deleted
from tests.unit.pipeline.values import (
    MODULE,
    note,
    notes,
    scrap_note,
    snapshot_id,
    snapshots,
    upgrade_note,
)


def listed(*known, count=3):
    return SnapshotList(module=MODULE, snapshots=snapshots(count), notes=notes(*known))


def numbers(ids):
    return [int.from_bytes(each.raw[:8], "big") for each in ids]


PROTECTED = note(1, is_protected=True, label="good")
IN_USE = note(1, "upgrade", "op-1")


def test_what_is_named_goes_each_once():
    there = listed(note(2, label="mine"))
    assert numbers(choose_deleted(there, ["mine", str(snapshot_id(0)), "latest"])) == [2, 0]


def test_all_means_every_one_of_them_safety_and_scrap_included():
    there = listed(note(0, "safety", "op", "restored"), scrap_note(1), upgrade_note(2))
    assert numbers(choose_deleted(there, None)) == [0, 1, 2]
    assert choose_deleted(listed(count=0), None) == ()


@pytest.mark.parametrize("which", [None, ["good"], [str(snapshot_id(0)), str(snapshot_id(1))]])
def test_a_protected_one_goes_by_force_only(which):
    with pytest.raises(PreconditionError) as caught:
        choose_deleted(listed(PROTECTED), which)
    assert caught.value.code == "snapshot-protected"
    assert f"{snapshot_id(1)} (good)" in caught.value.message
    assert str(snapshot_id(0)) not in caught.value.message
    assert "--force" in caught.value.hint
    assert snapshot_id(1) in choose_deleted(listed(PROTECTED), which, force=True)


@pytest.mark.parametrize("is_forced", [False, True])
@pytest.mark.parametrize("which", [None, [str(snapshot_id(1))]])
def test_one_of_an_unfinished_operation_stays_even_by_force(which, is_forced):
    with pytest.raises(PreconditionError) as caught:
        choose_deleted(listed(IN_USE), which, force=is_forced)
    assert caught.value.code == "snapshot-in-use"
    assert "op-1" in caught.value.message
    assert "resume" in caught.value.hint


def test_oldest_is_the_oldest_that_may_go():
    kept = note(0, is_protected=True)
    assert numbers(choose_deleted(listed(kept, IN_USE), ["oldest"])) == [2]
    with pytest.raises(NotFoundError):
        choose_deleted(listed(kept, count=1), ["oldest"], force=True)
    with pytest.raises(NotFoundError):
        choose_deleted(listed(count=0), ["oldest"])


def test_what_names_none_is_refused():
    for which in ("ffff", "nobody-s-label"):
        with pytest.raises(NotFoundError):
            choose_deleted(listed(), [which])
    with pytest.raises(InputError):
        choose_deleted(listed(), ["neither\x1b"])


def test_the_document_says_what_each_is_for():
    there = listed(
        upgrade_note(0, label="before-2.0"), scrap_note(1), note(2, "safety", "op", "restored")
    )
    first, second, third = there.to_json()["snapshots"]
    assert first["made_by"] == "upgrade op-0"
    assert (first["label"], first["protected"], first["scrap"]) == ("before-2.0", False, False)
    assert (second["made_by"], second["scrap"]) == ("upgrade op-1", True)
    assert (third["made_by"], third["scrap"]) == ("safety op", False)
    (unknown,) = listed(count=1).to_json()["snapshots"]
    assert (unknown["made_by"], unknown["label"], unknown["protected"]) == ("unknown", None, False)
