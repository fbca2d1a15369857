"""The page of the console as a browser runs it, against the console as a process of its own.

jsdom runs its modules; it does not draw, so what is seen here is what a screen reader gets.
"""

import asyncio
import contextlib
import json

import pytest

from juno_snap import Flow, run_flow
from juno_snap.flow.model import SNAPSHOT_MAX_BYTES, decode, encode
from juno_snap.flow.space import FlowSpace
from tests.integration.cli_world import ask
from tests.integration.console_world import FLOW, FLOW_ENDED, STEPS, run_orders, running_console
from tests.integration.flow_world import SLOW, start, until, write_flow
from tests.interop.browser import browser_tab
from tests.motoko import INTEROP, run_node

pytestmark = pytest.mark.interop

FIELD = "Step snapshot, as JSON"
HOSTILE = '<script>document.title = "hacked"</script><img src=x onerror="document.title=1">'
LONG_NUMBER = '{"since_ns":12345678901234567890,"share":1.0}'


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    state = tmp_path_factory.mktemp("console") / "state"
    run_orders(state)
    with running_console(state) as made:
        yield made


@pytest.fixture(scope="module")
def browser():
    with browser_tab() as tab:
        yield tab


@pytest.fixture
def space(console):
    """The flow is as its run has left it."""
    space = FlowSpace(state=console.state)
    space.reset(FLOW, None)
    space.set_snapshot(FLOW, "query", FLOW_ENDED)
    return space


@pytest.fixture
def page(console, browser, space):
    """The page, opened as the terminal says, at the flow; it has no error at the end."""
    browser.open(f"{address_of(console)}&flow={FLOW}")
    yield browser
    assert browser.see()["errors"] == []


@pytest.fixture
def start_to_be_killed():
    """Starts command lines, none of which outlives the test."""
    with contextlib.ExitStack() as stack:

        def start_one(*words):
            process = stack.enter_context(start(*words))
            stack.callback(process.kill)
            return process

        yield start_one


def address_of(console):
    ((_, value),) = console.header.items()
    return f"{console.url}/#token={value.removeprefix('Bearer ')}"


def stored(space, flow=FLOW):
    return {each.step: each.body for each in space.snapshots(flow)}


def compact(value):
    return encode(value)[0]


@pytest.mark.proves("B1")
def test_a_step_snapshot_is_made_read_changed_and_removed(page, space):
    seen = page.see()
    assert (seen["flow"], list(seen["steps"])) == (FLOW, list(STEPS))
    read = seen["steps"]["query"]
    assert (read["marker"], read["bytes"]) == (compact(FLOW_ENDED), "10 of 5,120 B")
    assert read["bar"] == pytest.approx(10 / SNAPSHOT_MAX_BYTES)
    assert read["written"] == "just now" or read["written"].endswith(" ago")
    assert seen["steps"]["pack"]["marker"] == "none: the step begins with {}"

    opened = page.press("Create pack")
    assert (opened["dialog"]["title"], opened["dialog"]["field"]) == (
        "Step snapshot of pack",
        "{}",
    )
    page.type(FIELD, '{"last": "é"}')
    made = page.press("Save")
    assert (made["dialog"], made["said"]) == (None, "Created the step snapshot of pack.")
    assert made["steps"]["pack"]["marker"] == stored(space)["pack"] == '{"last":"é"}'

    opened = page.press("Edit pack")
    assert opened["dialog"]["field"] == '{\n  "last": "é"\n}'
    page.type(FIELD, "[1, 2]")
    assert page.press("Save")["steps"]["pack"]["marker"] == stored(space)["pack"] == "[1,2]"

    asked = page.press("Reset pack")["dialog"]
    assert asked["lost"] == [["pack", "[1,2]"]]
    assert page.press("Cancel")["dialog"] is None
    assert "pack" in stored(space)
    page.press("Reset pack")
    gone = page.press("Reset step")
    assert (gone["dialog"], gone["said"], gone["focus"]) == (None, "Reset pack.", "Create pack")
    assert stored(space) == {"query": compact(FLOW_ENDED)}


@pytest.mark.proves("B35")
def test_a_flow_is_reset_but_not_while_it_runs(
    console, browser, space, tmp_path, monkeypatch, start_to_be_killed
):
    monkeypatch.chdir(tmp_path)
    source = write_flow(tmp_path, "slow", SLOW)
    words = ("flow", "run", source, "--state", console.state)
    log = tmp_path / "log"
    live = start_to_be_killed(*words, "--message", '{"until": 1000000, "durable": true}')
    until(lambda: log.exists() and len(log.read_text().splitlines()) > 3)

    seen = browser.open(f"{address_of(console)}&flow=slow")
    assert seen["flows"] == {FLOW: "done", "slow": "running"}
    assert seen["buttons"] == {"Reset flow": False, "Undo": False}
    assert seen["steps"]["work"]["buttons"] == {"View work": True, "Reset work": False}
    assert "The flow runs: its step snapshots can be changed once it has ended" in seen["text"]
    viewed = browser.press("View work")["dialog"]
    assert (viewed["is_read_only"], viewed["buttons"]["Save"]) == (True, False)
    browser.press("Cancel")

    ask("flow", "stop", "slow", "--state", console.state)
    live.communicate()
    reached = stored(space, "slow")["work"]
    assert decode(reached)["done"] > 3
    seen = browser.look()
    assert (seen["flows"]["slow"], seen["buttons"]["Reset flow"]) == ("stopped", True)
    asked = browser.press("Reset flow")["dialog"]
    assert (asked["title"], asked["lost"]) == ("Reset flow slow?", [["work", reached]])
    assert "every step begins with {} in the next run" in asked["text"]
    assert "Module snapshots on the network stay as they are." in asked["text"]
    seen = browser.press("Reset flow")
    assert (seen["said"], seen["focus"], seen["dialog"]) == ("Reset work.", "flow-name", None)
    assert seen["buttons"] == {"Reset flow": False, "Undo": True}, "nothing is left to reset"
    assert stored(space, "slow") == {}

    log.unlink()
    ask(*words, "--new", "--message", '{"until": 2}')
    assert log.read_text().splitlines() == ["0", "1"], "it began with {}"
    assert browser.look()["steps"]["work"]["marker"] == '{"done":2}'


def test_all_steps_of_a_flow_are_reset_at_once_and_that_is_undone(page, space):
    space.set_snapshot(FLOW, "ship", "2026")
    before = stored(space)
    page.look()
    asked = page.press("Reset flow")["dialog"]
    assert asked["lost"] == [["query", compact(FLOW_ENDED)], ["ship", '"2026"']]
    seen = page.press("Reset flow")
    assert (stored(space), seen["said"]) == ({}, "Reset query, ship.")
    assert "Last change by hand reset of query, ship, just now" in spaced(seen)
    undone = page.press("Undo")
    assert (undone["dialog"], undone["said"]) == (None, "Undone: reset of query, ship.")
    assert stored(space) == before
    assert undone["steps"]["ship"]["marker"] == '"2026"'


def test_undo_names_what_a_run_has_written_since(console, page, space):
    page.press("Reset flow")
    page.press("Reset flow")
    flow = Flow(FLOW)

    @flow.step("query")
    def query(msg, cfg, snapshot, ctx):
        assert snapshot == {}
        ctx.emit("snapshot", {"page": 1})

    for step in STEPS[1:]:
        flow.step(step)(lambda msg, cfg, snapshot: None)
    asyncio.run(run_flow(flow, state=console.state, new=True))
    page.look()
    asked = page.press("Undo")["dialog"]
    assert (asked["title"], asked["lost"]) == (
        "Undo reset of query?",
        [["query", '{"page":1}']],
    )
    assert stored(space) == {"query": '{"page":1}'}
    page.press("Undo")
    assert stored(space) == {"query": compact(FLOW_ENDED)}


def test_a_stale_edit_is_refused_and_what_was_typed_is_kept(page, space):
    page.press("Edit query")
    page.type(FIELD, '{"page": "mine"}')
    space.set_snapshot(FLOW, "query", {"page": "theirs"})
    refused = page.press("Save")["dialog"]
    (said,) = refused["alerts"]
    assert said.endswith("is not the one that was read. read again, and decide anew.")
    assert (refused["field"], stored(space)["query"]) == ('{"page": "mine"}', '{"page":"theirs"}')
    reloaded = page.press("Load what is there now")["dialog"]
    assert (reloaded["field"], reloaded["kept"]) == (
        '{\n  "page": "theirs"\n}',
        '{"page": "mine"}',
    )
    page.type(FIELD, '{"page": "both"}')
    assert page.press("Save")["dialog"] is None
    assert stored(space)["query"] == '{"page":"both"}'


def test_looking_again_never_replaces_what_is_typed(page, space):
    page.press("Edit query")
    page.type(FIELD, '{"page": "mine"}')
    space.set_snapshot(FLOW, "query", {"page": "theirs"})
    seen = page.look()
    assert seen["steps"]["query"]["marker"] == '{"page":"theirs"}'
    assert seen["dialog"]["field"] == '{"page": "mine"}'
    (said,) = seen["dialog"]["alerts"]
    assert "was changed meanwhile" in said
    kept = page.escape()["dialog"]
    assert kept["field"] == '{"page": "mine"}', "Escape does not drop it unasked"
    assert page.press("Cancel")["dialog"] is None


def test_of_two_who_make_one_the_second_is_told(page, space):
    page.press("Create pack")
    space.set_snapshot(FLOW, "pack", 1)
    refused = page.press("Save")["dialog"]
    assert "has a step snapshot already" in refused["alerts"][0]
    page.press("Load what is there now")
    space.reset(FLOW, "pack")
    assert "no step snapshot" in page.press("Save")["dialog"]["alerts"][0]
    assert page.press("Load what is there now")["dialog"]["field"] == "{}"
    assert page.press("Save")["dialog"] is None
    assert stored(space)["pack"] == "{}"


def test_a_reset_of_something_newer_is_refused(page, space):
    for first, then in (("Reset query", "Reset step"), ("Reset flow", "Reset flow")):
        page.look()
        page.press(first)
        space.set_snapshot(FLOW, "query", {"page": first})
        refused = page.press(then)["dialog"]
        assert "read again, and decide anew" in refused["alerts"][0]
        assert stored(space)["query"] == compact({"page": first})
        page.press("Cancel")


def test_the_size_is_the_one_of_the_server_and_so_are_its_refusals(page, space):
    page.press("Edit query")
    fits = "é" * ((SNAPSHOT_MAX_BYTES - 2) // 2)
    seen = page.type(FIELD, json.dumps([fits])[1:-1])
    assert seen["dialog"]["size"] == "5,120 of 5,120 bytes, as it is stored"
    page.type(FIELD, f'"{fits}a"')
    refused = page.press("Save")["dialog"]
    assert refused["size"] == "5,121 of 5,120 bytes, as it is stored"
    assert refused["alerts"][0].startswith(
        "a step snapshot has at most 5120 bytes as JSON; this one has 5121."
    )
    page.type(FIELD, "1e999")
    assert page.press("Save")["dialog"]["alerts"][0].startswith("this cannot be kept as JSON")
    for broken in ("", "{", '1}}, "data": {"attributes": {"snapshot": 2'):
        page.type(FIELD, broken)
        assert page.press("Save")["dialog"]["alerts"][0].startswith("This is no JSON: ")
    assert stored(space)["query"] == compact(FLOW_ENDED)
    page.type(FIELD, f'"{fits}"')
    assert page.press("Save")["steps"]["query"]["bytes"] == "5,120 of 5,120 B"
    assert page.see()["steps"]["query"]["bar"] == 1
    assert len(page.see()["steps"]["query"]["marker"]) < 200


def test_no_digit_of_a_number_is_lost(page, space):
    space.set_snapshot(FLOW, "query", decode(LONG_NUMBER))
    assert page.look()["steps"]["query"]["marker"] == LONG_NUMBER
    opened = page.press("Edit query")["dialog"]["field"]
    page.type(FIELD, opened.replace("since_ns", "from_ns"))
    page.press("Save")
    assert stored(space)["query"] == LONG_NUMBER.replace("since_ns", "from_ns")


@pytest.mark.parametrize(
    "text",
    [
        '{"b": 1, "a": [ ], "b" : {"c": {}}}',
        "[-0, -0.0, 1.0, 1E5, 1e15, 1e16, 1e-4, 0.00001, 5e-324, 123456789012345678.0]",
        '["\\u00e9\\/\\u0001\\u007f\\n", "\\ud83d\\ude00", "{\\"a\\": [1, 2]}", "\\u2028"]',
        " [true ,false,null] ",
        "12345678901234567890123",
    ],
)
def test_json_is_laid_out_and_measured_as_python_does(text):
    module = (INTEROP.parents[1] / "juno_snap/console/web/marker.js").as_posix()
    program = f"""
        const {{ compact, layOut, sizeBytes }} = await import({json.dumps(module)});
        const text = compact({json.dumps(text)});
        console.log(JSON.stringify([text, layOut({json.dumps(text)}), sizeBytes(text)]));
    """
    ran = run_node(["node", "--no-warnings", "--input-type=module", "-e", program])
    assert ran.returncode == 0, ran.stderr
    value = decode(text)
    laid_out = json.dumps(value, ensure_ascii=False, indent=2)
    assert json.loads(ran.stdout) == [encode(value)[0], laid_out, encode(value)[1]]


def test_hostile_text_is_only_text(page, space):
    before = page.see()["elements"]
    space.set_snapshot(FLOW, "query", {HOSTILE: HOSTILE})
    seen = page.look()
    assert seen["steps"]["query"]["marker"] == compact({HOSTILE: HOSTILE})[:160] + "…"
    assert seen["elements"] == before
    assert HOSTILE in decode(page.press("Edit query")["dialog"]["field"])
    page.type(FIELD, f'"{HOSTILE}')
    assert page.press("Save")["dialog"]["alerts"][0].startswith("This is no JSON: ")
    page.press("Cancel")
    asked = page.press("Reset query")
    assert asked["dialog"]["lost"][0][1] == seen["steps"]["query"]["marker"]
    page.press("Cancel")
    page.go(f"flow={HOSTILE}")
    page.go(f"flow={FLOW}")
    assert page.see()["elements"] == before + 3, "the item of what is lost, and no more"


def test_the_token_leaves_the_address_and_is_kept_for_the_tab(console, page):
    seen = page.see()
    token = address_of(console).partition("=")[2]
    assert seen["address"] == f"{console.url}/#flow={FLOW}"
    assert seen["requests"] == ["GET /v2/flows", f"GET /v2/flows/{FLOW}/snapshots"]
    again = page.reload()
    assert (again["asks_for_token"], again["flow"]) == (False, FLOW)
    assert token not in json.dumps(again)


def test_without_the_token_it_asks_for_it(console, browser, space):
    asked = browser.open(f"{console.url}/#flow={FLOW}")
    assert (asked["asks_for_token"], asked["requests"], asked["flow"]) == (True, [], "")
    wrong = browser.open(f"{console.url}/#token=wrong&flow={FLOW}")
    assert (wrong["asks_for_token"], wrong["focus"]) == (True, "token")
    (said,) = wrong["alerts"]
    assert said.startswith("the token is missing, or it is not the one of this start.")
    assert browser.look()["requests"] == wrong["requests"], "it is forgotten, and not sent again"
    browser.type("Token of this start", console.header_file.read_text(encoding="utf-8"))
    seen = browser.press("Open")
    assert (seen["asks_for_token"], seen["alerts"], seen["flow"]) == (False, [], FLOW)
    assert browser.open(address_of(console))["flow"] == FLOW


def test_it_says_when_there_is_nothing_and_when_nobody_answers(browser, tmp_path):
    with running_console(tmp_path / "state") as console:
        seen = browser.open(address_of(console))
        assert "No flow was run with this state directory yet." in seen["text"]
        assert (seen["flows"], seen["flow"], seen["alerts"]) == ({}, "", [])
    assert browser.look()["alerts"] == [
        "The console does not answer; it may have ended. This page tries again."
    ]


def test_one_flow_among_several_is_chosen_by_its_link(console, browser, space):
    flow = Flow("another")
    flow.step("only")(lambda msg, cfg, snapshot: None)
    asyncio.run(run_flow(flow, state=console.state, new=True))
    assert browser.open(address_of(console))["flow"] == "another"
    chosen = browser.follow(f"{FLOW} done")
    assert (chosen["flow"], chosen["address"]) == (FLOW, f"{console.url}/#flow={FLOW}")
    assert browser.reload()["flow"] == FLOW


def test_axe_finds_nothing_wrong_with_the_page_and_its_dialogs(console, page):
    for dialog, rules in (
        (None, {"list", "region"}),
        ("Edit query", {"label"}),
        ("Reset flow", set()),
    ):
        if dialog:
            page.press(dialog)
        judged = page.judge()
        assert judged["violations"] == []
        assert {"button-name", *rules} <= set(judged["passes"])
        if dialog:
            page.escape()
    page.open(console.url)
    judged = page.judge()
    assert (judged["violations"], "label" in judged["passes"]) == ([], True)


def spaced(seen):
    """The text of the page, its terms parted from what they mean."""
    return seen["text"].replace("by hand", "by hand ").replace("  ", " ")
