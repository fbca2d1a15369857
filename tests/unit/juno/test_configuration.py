"""What a module is configured with: taken apart, compared, saved, put together again."""

import asyncio
import json

import pytest

from juno_snap.errors import DecodeError, OutcomeUnknownError, RejectedError, TransportError
from juno_snap.ids import Principal
from juno_snap.juno.configuration import (
    METHOD_NOT_FOUND,
    PARTS,
    Configuration,
    Unreadable,
    read_configuration,
    set_again,
)
from juno_snap.juno.saved import configuration_of, file_of
from juno_snap.juno.settable import by_itself, holds, items_of
from juno_snap.wire.candid import (
    NAT64,
    NULL,
    PRINCIPAL,
    TEXT,
    Opt,
    Record,
    Tagged,
    Tuple,
    Variant,
    Vec,
    decode,
    encode,
)

KEY, OTHER = Principal(b"\x01"), Principal(b"\x02")
MODULE = Principal(b"\x03")
SCOPE = Variant({"Admin": NULL, "Write": NULL, "Submit": NULL})
CONTROLLER = Record({"scope": SCOPE, "kind": Opt(TEXT), "created_at": NAT64, "updated_at": NAT64})
CONTROLLERS = Vec(Tuple(PRINCIPAL, CONTROLLER))
DATASTORE = Opt(Record({"limit": Opt(NAT64), "version": Opt(NAT64), "created_at": Opt(NAT64)}))


def controllers(*keys, created_at=1):
    rows = [
        (key, {"scope": Tagged(scope), "kind": kind, "created_at": created_at, "updated_at": 1})
        for key, scope, kind in keys
    ]
    return encode([CONTROLLERS], [rows])


def datastore(limit, version, created_at=1):
    return encode([DATASTORE], [{"limit": limit, "version": version, "created_at": created_at}])


KEYS = ((KEY, "Admin", None), (OTHER, "Write", "automation"))
ORBITER = Configuration(role="orbiter", replies={"access keys": controllers(*KEYS)})


def test_an_argument_has_what_this_program_does_not_know_and_not_what_the_module_writes():
    (item,) = items_of(datastore(7, 3)).values()
    sent = by_itself(item.based_on(9))
    kind = Record({"limit": Opt(NAT64), "version": Opt(NAT64), "created_at": Opt(NAT64)})
    assert decode(sent, [kind]) == [{"limit": 7, "version": 9, "created_at": None}]


def test_a_key_goes_back_with_fields_that_nobody_here_has_heard_of():
    part = next(part for part in PARTS["orbiter"] if part.name == "access keys")
    items = ORBITER.items(part)
    kind = Record({
        "controllers": Vec(PRINCIPAL), "controller": Record({"scope": SCOPE, "kind": Opt(TEXT)})
    })  # fmt: skip
    sent = part.frame(items[str(OTHER)].based_on(None))
    assert decode(sent, [kind]) == [
        {"controllers": [OTHER], "controller": {"scope": Tagged("Write"), "kind": "automation"}}
    ]


def test_a_fresh_module_is_of_the_administrators_alone():
    kind = Record({"controllers": Vec(PRINCIPAL)})
    assert decode(ORBITER.install_argument(), [kind]) == [{"controllers": [KEY]}]


def test_a_scope_of_the_future_makes_no_administrator():
    kind = Vec(Tuple(PRINCIPAL, Record({"scope": Variant({"Admin": NULL, "Owner": NULL})})))
    rows = [(KEY, {"scope": Tagged("Owner")}), (OTHER, {"scope": Tagged("Admin")})]
    reply = encode([kind], [rows])
    argument = Configuration(role="orbiter", replies={"access keys": reply}).install_argument()
    assert decode(argument, [Record({"controllers": Vec(PRINCIPAL)})]) == [{"controllers": [OTHER]}]


def test_a_satellite_keeps_its_storage_mode_unless_a_person_says_the_argument():
    memory = Variant({"Heap": NULL, "Stable": NULL})
    rule = encode([Opt(Record({"memory": Opt(memory)}))], [{"memory": Tagged("Stable")}])
    replies = {"access keys": controllers(*KEYS), "storage mode": rule}
    saved = Configuration(role="satellite", replies=replies)
    kind = Record({"storage": Opt(Record({"system_memory": Opt(memory)}))})
    assert decode(saved.install_argument(), [kind]) == [
        {"storage": {"system_memory": Tagged("Stable")}}
    ]
    assert "storage mode" not in saved.without_mode().replies


@pytest.mark.parametrize(
    ("saved", "present", "is_there"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {}, False),
        ({"a": None}, {}, True),
        ([1, 2], [2, 1], True),
        ([1, 1], [1, 2], False),
        ([1], [1, 1], False),
        ([], [1], False),
        ([{"a": 1}], [{"a": 1, "b": None}], True),
        ((1, {"a": 1}), (1, {"a": 1, "b": 1}), True),
        ((1, 2), (2, 1), False),
        ((1,), (1, 2), False),
        (Tagged("x", {"a": 1}), Tagged("x", {"a": 1, "b": 1}), True),
        (Tagged("x"), Tagged("y"), False),
        (b"ab", b"ab", True),
        (b"ab", b"ba", False),
    ],
)
def test_what_was_saved_is_there_or_not(saved, present, is_there):
    assert holds(saved, present) is is_there


@pytest.mark.parametrize("reply", [b"", b"DIDL\x00\x00", encode([TEXT], ["x"])])
def test_a_reply_of_another_kind_is_refused(reply):
    with pytest.raises(DecodeError):
        items_of(reply)


def test_a_file_is_read_back_as_it_was_and_tells_people_what_to_call():
    content = file_of(ORBITER, MODULE, None)
    assert configuration_of(content) == ORBITER
    (part,) = json.loads(content)["parts"]
    assert [each["method"] for each in part["set"]] == ["set_controllers", "set_controllers"]
    assert str(OTHER) in part["set"][1]["argument"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"schema": 2, "role": "orbiter", "parts": []}',
        b'{"schema": 1, "role": "mission-control", "parts": []}',
        b'{"schema": 1, "role": "orbiter", "parts": [{"part": "x", "reply_hex": "?"}]}',
    ],
)
def test_another_file_is_refused(content):
    with pytest.raises(DecodeError):
        configuration_of(content)


def asking(replies):
    """An ``Ask`` with these replies, errors among them; and what was asked."""
    asked = []

    async def ask(method, arg):
        asked.append((method, arg))
        reply = replies[method]
        reply = reply.pop(0) if isinstance(reply, list) else reply
        if isinstance(reply, Exception):
            raise reply
        return reply

    return ask, asked


def refused(code="IC0503"):
    return RejectedError("no", reject_code=4, error_code=code, certified=True)


def test_what_a_release_does_not_have_is_left_out():
    ask, _ = asking({
        "list_controllers": controllers(*KEYS), "list_satellite_configs": refused(METHOD_NOT_FOUND)
    })  # fmt: skip
    assert asyncio.run(read_configuration("orbiter", ask)) == ORBITER


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("list_satellite_configs", refused()),
        ("list_controllers", refused(METHOD_NOT_FOUND)),
        ("list_controllers", encode([TEXT], ["x"])),
        ("list_controllers", encode([Vec(Tuple(PRINCIPAL, Record({})))], [[(KEY, {})]])),
    ],
)
def test_what_is_not_said_is_not_taken_for_nothing(method, reply):
    rest = {
        "list_controllers": controllers(*KEYS),
        "list_satellite_configs": encode([Vec(Tuple(PRINCIPAL, Record({})))], [[]]),
    }
    ask, _ = asking(rest | {method: reply})
    assert isinstance(asyncio.run(read_configuration("orbiter", ask)), Unreadable)


def test_a_network_that_does_not_answer_is_no_answer():
    silent = TransportError("no route", url="u", maybe_delivered=False)
    ask, _ = asking({"list_controllers": silent, "list_satellite_configs": silent})
    with pytest.raises(TransportError):
        asyncio.run(read_configuration("orbiter", ask))


def test_only_what_is_missing_is_set_and_it_is_read_back():
    mine = controllers(KEYS[0], created_at=5)
    ask, asked = asking({"list_controllers": [mine, controllers(*KEYS)], "set_controllers": b""})
    came = asyncio.run(set_again(ORBITER, ask))
    assert came.changed == (f"access keys: {OTHER}",)
    assert came.differing == ()
    names = [method for method, _ in asked]
    assert names == ["list_controllers", "set_controllers", "list_controllers"]


def test_a_lost_answer_does_not_matter_where_the_module_shows_that_it_was_done():
    lost = OutcomeUnknownError("?", request_id=b"", expires_at_ns=0)
    replies = [controllers(KEYS[0]), controllers(*KEYS)]
    ask, _ = asking({"list_controllers": replies, "set_controllers": lost})
    assert asyncio.run(set_again(ORBITER, ask)).differing == ()


def test_what_the_module_refuses_is_told_with_its_reason():
    replies = [controllers(KEYS[0]), controllers(KEYS[0])]
    ask, _ = asking({"list_controllers": replies, "set_controllers": refused()})
    came = asyncio.run(set_again(ORBITER, ask))
    assert came.differing == (f"access keys: {OTHER} (no)",)
    assert isinstance(came.error, RejectedError)


def test_a_change_names_the_version_that_it_is_based_on():
    saved = Configuration(role="satellite", replies={"datastore": datastore(7, 3)})
    replies = [datastore(1, 12), datastore(7, 13, created_at=9)]
    ask, asked = asking({"get_db_config": replies, "set_db_config": b""})
    assert asyncio.run(set_again(saved, ask)).differing == ()
    kind = Record({"limit": Opt(NAT64), "version": Opt(NAT64)})
    assert decode(asked[1][1], [kind]) == [{"limit": 7, "version": 12}]
