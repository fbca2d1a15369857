import pytest

from juno_snap.errors import InputError, NotFoundError
from juno_snap.pipeline.notes import check_label, made_by
from juno_snap.pipeline.resolve import oldest_first, oldest_spare, resolve_snapshot
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

THERE = snapshots(3)


def resolve(text, there=THERE, *known):
    return resolve_snapshot(text, there, notes=notes(*known), module=MODULE)


def test_latest_and_oldest_go_by_time_whatever_the_order():
    shuffled = (THERE[1], THERE[2], THERE[0])
    assert resolve("latest", shuffled) == THERE[2]
    assert resolve("oldest", shuffled) == THERE[0]
    assert oldest_first(shuffled) == list(THERE)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(str(THERE[1].id), id="whole"),
        pytest.param("0x" + str(THERE[1].id), id="with 0x"),
        pytest.param(str(THERE[1].id).upper(), id="upper case"),
        pytest.param(str(THERE[1].id)[:16], id="its beginning"),
    ],
)
def test_an_id_is_found(text):
    assert resolve(text) == THERE[1]


def test_an_id_that_is_the_beginning_of_another_is_still_meant_whole():
    longer = type(THERE[0])(
        id=type(THERE[0].id)(THERE[0].id.raw + b"\x01"), taken_at_ns=9, total_size_bytes=1
    )
    assert resolve(str(THERE[0].id), (*THERE, longer)) == THERE[0]


@pytest.mark.parametrize(
    ("text", "error", "code"),
    [
        ("0000", InputError, "ambiguous-snapshot-id"),
        ("newest", NotFoundError, "snapshot-not-found"),
        ("-newest", InputError, "invalid-snapshot-id"),
        ("", InputError, "invalid-snapshot-id"),
        ("0x", InputError, "invalid-snapshot-id"),
        ("ffff", NotFoundError, "snapshot-not-found"),
        (str(snapshot_id(7)), NotFoundError, "snapshot-not-found"),
        (str(snapshot_id(0, OTHER_MODULE)), NotFoundError, "snapshot-of-another-module"),
    ],
)
def test_what_names_no_snapshot_is_refused(text, error, code):
    with pytest.raises(error) as caught:
        resolve(text)
    assert caught.value.code == code


def test_a_module_without_snapshots_has_no_latest():
    with pytest.raises(NotFoundError):
        resolve("latest", ())


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(note(2, "safety", "op"), id="safety"),
        pytest.param(note(2, "rehearsal", "op"), id="rehearsal"),
        pytest.param(note(2, "upload"), id="half-uploaded"),
        pytest.param(scrap_note(2), id="scrap"),
        pytest.param(scrap_note(2, "failed"), id="scrap of a failure"),
    ],
)
def test_latest_is_a_state_to_return_to(known):
    assert resolve("latest", THERE, known) == THERE[1]
    assert resolve(str(THERE[2].id), THERE, known) == THERE[2]
    with pytest.raises(NotFoundError) as caught:
        resolve("latest", THERE[2:], known)
    assert "by its id" in caught.value.hint


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(note(2, "user"), id="a person's"),
        pytest.param(upgrade_note(2), id="an upgrade's"),
        pytest.param(note(2, "upgrade", "op"), id="an unfinished upgrade's"),
        pytest.param(note(2, is_protected=True), id="protected"),
    ],
)
def test_what_is_no_scrap_is_the_latest(known):
    assert resolve("latest", THERE, known) == THERE[2]


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(note(0, is_protected=True), id="protected"),
        pytest.param(note(0, "safety", "op", "restored"), id="safety"),
        pytest.param(note(0, "upgrade", "op"), id="an unfinished operation's"),
    ],
)
def test_oldest_never_means_to_give_up_what_must_stay(known):
    assert oldest_spare(THERE, notes(known)) == THERE[1]
    assert oldest_spare(THERE[:1], notes(known)) is None
    assert resolve("oldest", THERE, known) == THERE[0]


def test_a_label_names_its_snapshot_whatever_its_case():
    known = note(1, label="Before-2.0")
    assert resolve("Before-2.0", THERE, known) == THERE[1]
    assert resolve(" before-2.0 ", THERE, known) == THERE[1]


def test_a_label_of_a_snapshot_that_is_gone_names_nothing():
    with pytest.raises(NotFoundError):
        resolve("gone", THERE, note(7, label="gone"))
    assert resolve("gone", THERE, note(7, label="gone"), note(1, label="gone")) == THERE[1]


@pytest.mark.parametrize(
    "text", ["v1.2.3", "before-2.0", "x", "release/2026+rc1", "l" * 64, "0xyz"]
)
def test_labels_that_can_be_typed_are_taken(text):
    assert check_label(f" {text} ") == text
    assert resolve(text, THERE, note(0, label=text)) == THERE[0]


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "latest", "Oldest", "all", "cafe", "0xBEEF", "42", "0x", "two words", "-dash",
        "a\tb", "line\nline", "\x1b[31m", "r\u00f6t", "l" * 65, ".hidden",
    ],
)  # fmt: skip
def test_labels_that_mean_something_else_or_nothing_are_refused(text):
    with pytest.raises(InputError) as caught:
        check_label(text)
    assert caught.value.code == "invalid-label"


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (note(0), "unknown"),
        (note(0, label="mine", is_protected=True), "unknown"),
        (note(0, "user", "op", "upgraded"), "user"),
        (upgrade_note(0), "upgrade op-0"),
        (note(0, "safety", "op"), "safety op"),
        (note(0, "rehearsal", "op"), "rehearsal op"),
        (note(0, "upload"), "upload"),
    ],
)
def test_the_maker_is_told_in_words(known, words):
    assert made_by(known) == words
