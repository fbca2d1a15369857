"""What the step that sets a configuration again ends with, and what it leaves on disk."""

import asyncio
import hashlib
import stat

import pytest

from juno_snap.errors import InputError, OutcomeUnknownError, RejectedError, TransportError
from juno_snap.ids import Principal
from juno_snap.juno.configuration import Configuration, Unreadable
from juno_snap.juno.roles import JunoModule
from juno_snap.juno.saved import file_of
from juno_snap.pipeline.plan import plan_upgrade
from juno_snap.pipeline.progress import NOT_EVALUATED
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.reset import file_for, keep_configuration, restore_configuration
from juno_snap.wire.candid import NULL, PRINCIPAL, Record, Tagged, Tuple, Variant, Vec, encode
from tests.unit.pipeline.values import MODULE, seen, wasm_file

KEYS = Vec(Tuple(PRINCIPAL, Record({"scope": Variant({"Admin": NULL})})))
ONE, TWO = Principal(b"\x01"), Principal(b"\x02")


def keys(*principals):
    return encode([KEYS], [[(each, {"scope": Tagged("Admin")}) for each in principals]])


CONTENT = file_of(
    Configuration(role="orbiter", replies={"access keys": keys(ONE, TWO)}), MODULE, None
)
SHA256 = hashlib.sha256(CONTENT).digest()


def reject(*, certified=True, code="IC0503"):
    return RejectedError("no", reject_code=5, error_code=code, certified=certified)


LOST = OutcomeUnknownError("?", request_id=b"", expires_at_ns=0)
SILENT = TransportError("no route", url="u")


def restored(listed, reply=b"", *, content=CONTENT, path=None):
    """How it ends where the module lists ``listed`` first and last, and replies ``reply``."""
    left = list(listed)

    async def ask(method, _arg):
        said = left.pop(0) if method == "list_controllers" else reply
        if isinstance(said, Exception):
            raise said
        return said

    return asyncio.run(restore_configuration(path, content, SHA256, ask))


@pytest.mark.parametrize(
    ("listed", "reply", "state", "error"),
    [
        ([keys(ONE, TWO)], SILENT, "done", None),
        ([keys(ONE), keys(TWO, ONE)], b"", "done", None),
        # Its answer was lost, and it was done.
        ([keys(ONE), keys(ONE, TWO)], LOST, "done", None),
        # The module's own no is an outcome.
        ([keys(ONE), keys(ONE)], reject(), "failed", "rejected"),
        ([keys(ONE), keys(ONE)], b"", "failed", "configuration-differs"),
        ([reject()], b"", "failed", "rejected"),
        ([b"no candid"], b"", "failed", "decode"),
        # Of these nothing is known yet.
        ([keys(ONE), keys(ONE)], LOST, "failed", NOT_EVALUATED),
        ([keys(ONE), keys(ONE)], SILENT, "failed", NOT_EVALUATED),
        ([keys(ONE), keys(ONE)], reject(certified=False), "failed", NOT_EVALUATED),
        ([SILENT], b"", "failed", NOT_EVALUATED),
        ([keys(ONE), LOST], b"", "failed", NOT_EVALUATED),
    ],
)
def test_how_it_ends(listed, reply, state, error):
    ended, evidence = restored(listed, reply)
    assert (ended, evidence.get("error")) == (state, error)
    if error not in {None, NOT_EVALUATED} and len(listed) > 1:
        assert str(TWO) in evidence["message"]


def test_what_the_network_refuses_for_the_moment_is_marked_so():
    _, evidence = restored([keys(ONE), keys(ONE)], reject(code="IC0209"))
    assert evidence["is_temporary"] is True


def test_the_file_is_private_and_is_read_where_nothing_else_is_there(tmp_path):
    state = tmp_path / "state"
    keep_configuration(state, "operation", CONTENT)
    path = file_for(state, "operation")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    assert stat.S_IMODE(path.parent.stat().st_mode) == stat.S_IRWXU
    ended, evidence = restored([keys(ONE), keys(ONE, TWO)], content=None, path=path)
    assert (ended, evidence["file"]) == ("done", str(path))
    assert evidence["set"] == [f"access keys: {TWO}"]


@pytest.mark.parametrize("damage", [b"", CONTENT + b" ", None])
def test_a_file_that_is_gone_or_was_changed_sets_nothing(tmp_path, damage):
    path = tmp_path / "x.json"
    if damage is not None:
        path.write_bytes(damage)
    ended, evidence = restored([], content=None, path=path)
    assert ended == "failed"
    assert str(path) in evidence["message"]
    assert evidence["error"] != NOT_EVALUATED


def test_nothing_is_kept_where_nothing_is_saved_or_nothing_outlives_the_process(tmp_path):
    state = tmp_path / "state"
    keep_configuration(state, "operation", None)
    keep_configuration(None, "operation", CONTENT)
    assert not state.exists()


def test_to_discard_belongs_to_a_reset():
    with pytest.raises(InputError):
        UpgradeRequest(discard_configuration=True)


def plan_of(observation, **options):
    return plan_upgrade(observation, UpgradeRequest(reset=True, **options), wasm_file())


def codes(entries):
    return [entry.code for entry in entries]


def test_a_reset_of_a_module_of_junos_says_what_is_saved_and_installs_with_its_keys():
    satellite = JunoModule(role="satellite", evidence="juno:package")
    saved = Configuration(role="satellite", replies={"access keys": keys(ONE)})
    plan = plan_of(seen(juno=satellite, configuration=saved))
    assert plan.decision.arg == saved.install_argument()
    assert [step.name for step in plan.outline.steps][-2:] == ["verify", "restore-configuration"]
    (wiped,) = (each for each in plan.outline.warnings if each.code == "data-wiped")
    assert "access keys (1)" in wiped.text
    assert "documents" in wiped.text
    shown = plan.to_json()["plan"]["reset"]
    assert shown["saved"] == [{"part": "access keys", "keys": [str(ONE)]}]
    said = plan_of(seen(juno=satellite, configuration=saved), arg=b"DIDL\x00\x00")
    assert said.decision.arg == b"DIDL\x00\x00"


def test_a_reset_that_cannot_save_is_refused():
    satellite = JunoModule(role="satellite", evidence="juno:package")
    unread = Unreadable(reason="it said no")
    plan = plan_of(seen(juno=satellite, configuration=unread), force=True)
    refusal = next(each for each in plan.outline.refusals if each.code == "configuration-unread")
    assert refusal.flags == ("--discard-configuration",)
    assert "it said no" in refusal.text
    discarded = plan_of(seen(juno=satellite), discard_configuration=True)
    assert "configuration-unread" not in codes(discarded.outline.refusals)
    assert "configuration-discarded" in codes(discarded.outline.warnings)
