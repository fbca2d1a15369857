import pytest

from juno_snap.errors import InputError, NotFoundError
from juno_snap.pipeline.resolve import oldest_first, resolve_snapshot
from tests.unit.pipeline.values import MODULE, OTHER_MODULE, snapshot_id, snapshots

THERE = snapshots(3)


def resolve(text, there=THERE):
    return resolve_snapshot(text, there, module=MODULE)


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
        ("newest", InputError, "invalid-snapshot-id"),
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
