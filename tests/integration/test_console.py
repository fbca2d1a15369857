"""Step snapshots over HTTP, through the real process."""

import contextlib
import http.client
import json
import os
import pty
import signal
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from schemathesis import openapi

from juno_snap.flow.model import SNAPSHOT_MAX_BYTES
from juno_snap.flow.space import FlowSpace
from tests.integration.cli_world import child_command, refuse
from tests.integration.console_world import (
    FLOW,
    FLOW_ENDED,
    SNAPSHOTS,
    STEPS,
    document,
    end,
    read_ready,
    resource,
    run_orders,
    running_console,
    start_console,
    told,
)

FUZZ_CONFIGURATION = f"""
[parameters]
"path.flow" = "{FLOW}"
"path.step" = "query"

[checks.positive_data_acceptance]
expected-statuses = ["2xx", 404, 409, 412, 413]
"""
FUZZ_EXAMPLES = 20
UNDO = f"/v2/flows/{FLOW}/undo"


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    state = tmp_path_factory.mktemp("console") / "state"
    run_orders(state)
    with running_console(state) as made:
        yield made


@pytest.fixture
def client(console):
    """One that may ask; the flow is as its run has left it."""
    space = FlowSpace(state=console.state)
    space.reset(FLOW, None)
    space.set_snapshot(FLOW, "query", FLOW_ENDED)
    with console.client() as made:
        yield made


def code_of(answer):
    """Status and code of a refusal, which has one error and tells nothing of the program."""
    (error,) = answer.json()["errors"]
    assert error["status"] == str(answer.status_code)
    assert "Traceback" not in answer.text
    assert ", line " not in answer.text
    return answer.status_code, error["code"]


def the_flow(client):
    """The only one there is."""
    (found,) = client.get("/v2/flows").json()["data"]
    return found


@pytest.mark.proves("B36", "B1")
def test_the_five_calls(client):
    listed = client.get(SNAPSHOTS)
    assert (listed.status_code, told(listed)) == (
        200,
        {"data": [resource(FLOW_ENDED, "query")], "meta": {}},
    )
    made = client.post(f"{SNAPSHOTS}/", json=document({"n": 1}))
    assert (made.status_code, made.headers["location"]) == (201, f"{SNAPSHOTS}/pack")
    assert told(made) == {"data": resource({"n": 1}, "pack"), "meta": {}}
    shown = client.get(made.headers["location"])
    assert (shown.status_code, shown.json()) == (200, made.json())
    assert shown.headers["etag"] == made.headers["etag"]
    edited = client.patch(f"{SNAPSHOTS}/pack", json=document({"m": 2}))
    assert (edited.status_code, told(edited)["data"]) == (200, resource({"m": 2}, "pack"))
    assert edited.headers["etag"] != made.headers["etag"]
    gone = client.delete(f"{SNAPSHOTS}/pack")
    assert (gone.status_code, gone.content) == (204, b"")
    assert code_of(client.get(f"{SNAPSHOTS}/pack")) == (404, "no-step-snapshot")
    assert [each["id"] for each in client.get(f"{SNAPSHOTS}/").json()["data"]] == ["query"]


def test_a_flow_says_what_it_does(client):
    found = the_flow(client)
    assert (found["type"], found["id"], found["links"]) == ("flow", FLOW, {"snapshots": SNAPSHOTS})
    said = found["attributes"]
    assert (said["state"], said["steps"], said["source"]) == ("done", list(STEPS), None)
    assert said["run"]["ended_at"] > said["run"]["began_at"]
    assert said["run"]["error"] is None
    assert (said["change"]["kind"], said["change"]["steps"]) == ("set", ["query"])
    assert client.get("/v2/flows/").status_code == 404


def test_a_resource_has_its_json_as_it_is_stored(client):
    """What a reader in JavaScript would round, it can still show."""
    long = "[12345678901234567890,1.0]"
    made = client.post(SNAPSHOTS, json=document(json.loads(long)))
    meta = made.json()["data"]["meta"]
    assert (meta["text"], meta["size_bytes"], meta["limit_bytes"]) == (long, len(long), 5120)
    assert made.headers["etag"] == f'"{meta["version"]}"'
    assert meta["run"] is None
    listed = client.get(SNAPSHOTS).json()["data"]
    assert [each["meta"] for each in listed if each["id"] == "pack"] == [meta]


@pytest.mark.proves("B35")
def test_a_flow_is_reset_and_that_is_undone(client):
    client.post(SNAPSHOTS, json=document({"n": 1}))
    before = told(client.get(SNAPSHOTS))["data"]
    reset = client.delete(SNAPSHOTS)
    assert (reset.status_code, reset.json()) == (
        200,
        {"data": [], "meta": {"reset": ["pack", "query"]}},
    )
    assert the_flow(client)["attributes"]["change"]["kind"] == "reset"
    undone = client.post(UNDO)
    assert (undone.status_code, told(undone)) == (
        200,
        {"data": before, "meta": {"undone": ["pack", "query"]}},
    )
    assert client.delete(SNAPSHOTS).status_code == 200
    nothing = client.delete(SNAPSHOTS)
    assert nothing.json() == {"data": [], "meta": {"reset": []}}
    assert code_of(client.delete("/v2/flows/nobody/snapshots")) == (404, "no-such-flow")
    assert code_of(client.post("/v2/flows/nobody/undo")) == (404, "no-such-flow")


def test_a_flow_is_reset_only_as_it_was_read(client):
    """Whatever has changed since: a value, one more, one less."""
    read = client.get(SNAPSHOTS).headers["etag"]
    for change in (
        lambda: client.patch(f"{SNAPSHOTS}/query", json=document(FLOW_ENDED, "query")),
        lambda: client.post(SNAPSHOTS, json=document(1)),
        lambda: client.delete(f"{SNAPSHOTS}/pack"),
        lambda: client.post(UNDO),
    ):
        assert change().status_code < 300
        now = client.get(SNAPSHOTS)
        assert now.headers["etag"] != read
        for stale in (
            client.delete(SNAPSHOTS, headers={"if-match": read}),
            client.post(UNDO, headers={"if-match": read}),
        ):
            assert code_of(stale) == (412, "step-snapshot-stale")
        assert client.get(SNAPSHOTS).json() == now.json()
        read = now.headers["etag"]
    undone = client.post(UNDO, headers={"if-match": read})
    assert undone.status_code == 200
    reset = client.delete(SNAPSHOTS, headers={"if-match": undone.headers["etag"]})
    assert (reset.status_code, reset.json()["data"]) == (200, [])


@pytest.mark.parametrize("value", [None, "", "2017-01-01", 0, False, [], {}, {"é": [1.5]}], ids=str)
def test_any_json_is_a_snapshot(client, value):
    assert client.post(SNAPSHOTS, json=document(value)).status_code == 201
    shown = client.get(f"{SNAPSHOTS}/pack").json()
    assert shown["data"]["attributes"]["snapshot"] == value
    sent_back = client.patch(f"{SNAPSHOTS}/pack", json=shown)
    assert sent_back.json()["data"]["attributes"] == shown["data"]["attributes"]


def test_what_is_not_there_is_not_found(client):
    value = document(1)
    for answer, code in [
        (client.get("/v2/flows/nobody/snapshots"), "no-such-flow"),
        (client.get("/v2/flows/no%20name/snapshots"), "no-such-flow"),
        (client.get("/v2/flows/%00/snapshots"), "no-such-flow"),
        (client.post("/v2/flows/nobody/snapshots", json=value), "no-such-flow"),
        (client.post(SNAPSHOTS, json=document(1, "nothing")), "no-such-step"),
        (client.patch(f"{SNAPSHOTS}/nothing", json=document(1, "nothing")), "no-such-step"),
        (client.patch(f"{SNAPSHOTS}/pack", json=value), "no-step-snapshot"),
        (client.delete(f"{SNAPSHOTS}/pack"), "no-step-snapshot"),
        (client.delete(f"{SNAPSHOTS}/nothing"), "no-such-step"),
        (client.get(f"{SNAPSHOTS}/query/more"), "no-such-address"),
        (client.get("/page/"), "no-such-address"),
    ]:
        assert code_of(answer) == (404, code)
    wrong = client.put(SNAPSHOTS)
    assert code_of(wrong) == (405, "no-such-method")
    assert set(wrong.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "DELETE"}


def test_a_step_has_one_snapshot(client):
    answer = client.post(SNAPSHOTS, json=document(1, "query"))
    assert code_of(answer) == (409, "step-snapshot-exists")
    other = client.patch(f"{SNAPSHOTS}/query", json=document(1, "pack"))
    assert code_of(other) == (409, "id-differs")
    assert told(client.get(f"{SNAPSHOTS}/query"))["data"] == resource(FLOW_ENDED, "query")


@pytest.mark.proves("A13", "B12")
def test_the_limit_is_that_of_the_store(client):
    """In bytes of compact JSON as it is stored, however it was written on the way."""
    fits = "é" * ((SNAPSHOT_MAX_BYTES - 2) // 2)
    escaped = json.dumps(document(fits), indent=8).encode()
    assert len(escaped) > 2 * SNAPSHOT_MAX_BYTES
    types = {"content-type": "application/vnd.api+json; charset=utf-8"}
    assert client.post(SNAPSHOTS, content=escaped, headers=types).status_code == 201
    for answer in (
        client.patch(f"{SNAPSHOTS}/pack", json=document(fits + "a")),
        client.post(SNAPSHOTS, json=document(fits + "a", "ship")),
    ):
        assert code_of(answer) == (413, "step-snapshot-too-large")
        assert answer.json()["errors"][0]["meta"]["size_bytes"] == SNAPSHOT_MAX_BYTES + 1
    shown = client.get(f"{SNAPSHOTS}/pack").json()
    assert shown["data"]["attributes"]["snapshot"] == fits


def test_a_body_is_bounded_before_it_is_read(console, client):
    large = b" " * 200_000
    types = {"content-type": "application/json"}
    declared = client.post(SNAPSHOTS, content=large, headers=types)
    assert code_of(declared) == (413, "body-too-large")
    in_pieces = client.post(SNAPSHOTS, content=iter([large[:50_000]] * 4), headers=types)
    assert code_of(in_pieces) == (413, "body-too-large")
    waiting = http.client.HTTPConnection("127.0.0.1", console.port)
    with contextlib.closing(waiting):
        waiting.putrequest("POST", SNAPSHOTS)
        for name, value in {**console.header, **types, "content-length": "10000000000"}.items():
            waiting.putheader(name, value)
        waiting.endheaders()  # and nothing of the body: the answer does not wait for it
        assert waiting.getresponse().status == 413


@pytest.mark.parametrize(
    ("content", "media_type", "expected"),
    [
        pytest.param(b"1", None, (415, "not-json-type"), id="no type"),
        pytest.param(
            b"a=1", "application/x-www-form-urlencoded", (415, "not-json-type"), id="form"
        ),
        pytest.param(
            json.dumps(document(1)).encode(), "text/plain", (415, "not-json-type"), id="text"
        ),
        pytest.param(b"", "application/json", (422, "not-json"), id="nothing"),
        pytest.param(b"{", "application/json", (422, "not-json"), id="a part"),
        pytest.param(b"\xff", "application/json", (422, "not-json"), id="not UTF-8"),
        pytest.param(b"[" * 60_000, "application/json", (422, "not-json"), id="deep"),
        pytest.param(b"1" * 60_000, "application/json", (422, "not-json"), id="long number"),
        pytest.param(b"[]", "application/json", (422, "not-a-document"), id="an array"),
        pytest.param(b"{}", "application/json", (422, "not-a-document"), id="empty"),
        pytest.param(
            b'{"data": {"type": "snapshot", "id": "pack", "attributes": {}}}',
            "application/json",
            (422, "not-a-document"),
            id="no snapshot",
        ),
        pytest.param(
            b'{"data": {"type": "snapshot", "attributes": {"snapshot": 1}}}',
            "application/json",
            (422, "not-a-document"),
            id="no id",
        ),
        pytest.param(
            b'{"data": {"type": "step", "id": "pack", "attributes": {"snapshot": 1}}}',
            "application/json",
            (422, "not-a-document"),
            id="another type",
        ),
        pytest.param(
            b'{"data": {"type": "snapshot", "id": "pack", "attributes": {"snapshot": NaN}}}',
            "application/json",
            (422, "not-json"),
            id="NaN",
        ),
        pytest.param(
            b'{"data": {"type": "snapshot", "id": "pack", "attributes": {"snapshot": 1e999}}}',
            "application/json",
            (422, "not-json"),
            id="infinite",
        ),
        pytest.param(
            b'{"data": {"type": "snapshot", "id": "pack", "attributes": {"snapshot": "\\ud800"}}}',
            "application/json",
            (422, "not-json"),
            id="half a character",
        ),
    ],
)
def test_what_is_no_document_is_refused(client, content, media_type, expected):
    headers = {} if media_type is None else {"content-type": media_type}
    assert code_of(client.post(SNAPSHOTS, content=content, headers=headers)) == expected
    assert [each["id"] for each in client.get(SNAPSHOTS).json()["data"]] == ["query"]


def test_only_what_was_read_is_changed(client):
    read = client.get(f"{SNAPSHOTS}/query").headers["etag"]
    value = document(1, "query")
    for name, said, expected in [
        ("patch", '"0.0"', (412, "step-snapshot-stale")),
        ("patch", f"W/{read}", (412, "step-snapshot-stale")),
        ("patch", read.strip('"'), (412, "step-snapshot-stale")),
        ("delete", '"0.0"', (412, "step-snapshot-stale")),
        ("delete", "", (412, "step-snapshot-stale")),
    ]:
        body = {"json": value} if name == "patch" else {}
        answer = client.request(name, f"{SNAPSHOTS}/query", headers={"if-match": said}, **body)
        assert code_of(answer) == expected
        assert client.get(f"{SNAPSHOTS}/query").headers["etag"] == read
    several = {"if-match": f'"0.0", {read}'}
    edited = client.patch(f"{SNAPSHOTS}/query", json=value, headers=several)
    assert edited.status_code == 200
    stale = client.delete(f"{SNAPSHOTS}/query", headers={"if-match": read})
    assert code_of(stale) == (412, "step-snapshot-stale")
    now = {"if-match": edited.headers["etag"]}
    assert client.delete(f"{SNAPSHOTS}/query", headers=now).status_code == 204
    none = client.patch(f"{SNAPSHOTS}/query", json=value, headers={"if-match": "*"})
    assert code_of(none) == (404, "no-step-snapshot")


def test_of_edits_at_once_exactly_one_wins(client):
    read = {"if-match": client.get(f"{SNAPSHOTS}/query").headers["etag"]}

    def edit(number):
        value = document({"by": number}, "query")
        return number, client.patch(f"{SNAPSHOTS}/query", json=value, headers=read)

    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(edit, range(16)))
    won = [number for number, answer in answers if answer.status_code == 200]
    lost = {code_of(answer) for _, answer in answers if answer.status_code != 200}
    assert (len(won), lost) == (1, {(412, "step-snapshot-stale")})
    shown = client.get(f"{SNAPSHOTS}/query").json()["data"]
    assert shown["attributes"]["snapshot"] == {"by": won[0]}


def test_nothing_is_changed_while_the_flow_runs(console, client):
    with FlowSpace(state=console.state).lock(FLOW):  # as a run holds it
        for answer in (
            client.post(SNAPSHOTS, json=document(1)),
            client.patch(f"{SNAPSHOTS}/query", json=document(1, "query")),
            client.delete(f"{SNAPSHOTS}/query"),
            client.delete(SNAPSHOTS),
            client.post(UNDO),
        ):
            assert code_of(answer) == (409, "locked")
        listed = client.get(SNAPSHOTS)
        assert the_flow(client)["attributes"]["state"] == "running"
    assert told(listed)["data"] == [resource(FLOW_ENDED, "query")]
    assert the_flow(client)["attributes"]["state"] == "done"
    assert client.delete(f"{SNAPSHOTS}/query").status_code == 204


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil:{port}",
        "",
    ],
)
def test_a_foreign_host_is_refused(console, host):
    with console.client(host=host.format(port=console.port)) as client:
        assert code_of(client.get(SNAPSHOTS)) == (403, "foreign-host")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1",
     "http://localhost:{port}", "http://127.0.0.1"],
)  # fmt: skip
def test_a_foreign_origin_is_refused(console, origin):
    with console.client(origin=origin.format(port=console.port)) as client:
        assert code_of(client.delete(f"{SNAPSHOTS}/query")) == (403, "foreign-origin")
        assert client.get(SNAPSHOTS).headers.get("access-control-allow-origin") is None


def test_its_own_names_are_welcome(console):
    for name in ("127.0.0.1", "localhost", "LocalHost"):
        host = f"{name}:{console.port}"
        with console.client(host=host, origin=f"http://{host.lower()}") as client:
            assert client.get(SNAPSHOTS).status_code == 200


@pytest.mark.parametrize("path", [SNAPSHOTS, "/v2/flows", "/openapi.json", "/nothing", "/page/"])
def test_without_the_token_nothing_is_told(console, path):
    (right,) = console.header.values()
    token = right.removeprefix("Bearer ")
    wrong = ["", "Bearer", f"Bearer {token[:-1]}", f"Bearer {token}x", token, f"Basic {token}"]
    with httpx.Client(base_url=console.url) as client:
        for said in [None, *wrong]:
            headers = {} if said is None else {"authorization": said}
            answer = client.get(path, headers=headers)
            assert code_of(answer) == (401, "no-token")
            assert answer.headers["www-authenticate"] == "Bearer"
        twice = [("authorization", right), ("authorization", right)]
        assert code_of(client.get(path, headers=twice)) == (401, "no-token")
        bytes_of_none = {"authorization": b"Bearer \xff"}
        assert code_of(client.get(path, headers=bytes_of_none)) == (401, "no-token")


def test_the_token_is_for_its_owner_only(console):
    assert stat.S_IMODE(console.header_file.stat().st_mode) == 0o600
    assert len(next(iter(console.header.values()))) > 40
    with socket.create_connection(("127.0.0.1", console.port)) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"


def test_the_description_is_valid(console):
    with console.client() as client:
        described = client.get("/openapi.json").json()
    openapi.from_dict(described).validate()
    calls = [call for path in described["paths"].values() for call in path if call != "parameters"]
    assert sorted(calls) == ["delete", "delete", "get", "get", "get", "patch", "post", "post"]


def test_schemathesis_finds_nothing(console, client, tmp_path):
    """In a process of its own: what it warns of when it is imported is not ours."""
    configuration = tmp_path / "fuzz.toml"
    configuration.write_text(FUZZ_CONFIGURATION, encoding="utf-8")
    ((name, value),) = console.header.items()
    ran = subprocess.run(
        [
            Path(sys.executable).with_name("st"), "--config-file", configuration, "run",
            f"{console.url}/openapi.json", "--header", f"{name}: {value}", "--checks", "all",
            "--max-examples", str(FUZZ_EXAMPLES), "--generation-deterministic", "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "8 selected / 8 total" in ran.stdout, ran.stdout
    assert client.get(SNAPSHOTS).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_in_order(tmp_path, number):
    process = start_console(tmp_path)
    ready = read_ready(process)
    file = tmp_path / "console.header"
    assert ready["header_file"] == str(file)
    held = socket.create_connection(("127.0.0.1", ready["port"]))
    with contextlib.closing(held):
        held.sendall(b"GET /")  # a request that never comes
        assert end(process, number) == (0, "")
    assert not file.exists()


def test_every_start_has_a_token_of_its_own(tmp_path):
    seen = []
    for _ in range(2):
        with running_console(tmp_path) as console:
            seen.append(console.header)
            again = refuse("console", "--state", tmp_path)
            assert (again.code, again.error["code"]) == (3, "locked")
            with console.client() as client:
                assert code_of(client.get(SNAPSHOTS)) == (404, "no-such-flow")
    assert seen[0] != seen[1]
    assert not (tmp_path / "flows.sqlite").exists()


def test_a_port_in_use_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = refuse("console", "--state", tmp_path, "--port", port)
    assert (ran.code, ran.error["code"]) == (5, "port-in-use")
    assert str(port) in ran.error["message"]
    assert not (tmp_path / "console.header").exists()


def test_the_token_is_shown_on_a_terminal_only(tmp_path):
    words = child_command("console", "--state", tmp_path / "state")
    main, other = pty.openpty()
    shown = b""
    with contextlib.closing(os.fdopen(main, "rb", buffering=0)) as terminal:
        process = subprocess.Popen(words, stdin=other, stdout=other, stderr=other)
        os.close(other)
        while b"#token=" not in shown or not shown.endswith(b"\n"):
            shown += terminal.read(1000)
        token = (tmp_path / "state" / "console.header").read_text(encoding="utf-8").split()[-1]
        assert f"/#token={token}\r\n".encode() in shown, "one line, however narrow the terminal is"
        assert end(process)[0] == 0
    piped = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = [piped.stdout.readline() for _ in range(2)]
    assert [line.split()[0] for line in lines] == ["url", "use"]
    assert end(piped) == (0, "")


def test_a_broken_file_is_told_without_a_trace(tmp_path):
    run_orders(tmp_path)
    with running_console(tmp_path) as console, console.client() as client:
        file = tmp_path / "flows.sqlite"
        for each in tmp_path.glob("flows.sqlite-*"):
            each.unlink()
        file.write_bytes(b"x" * file.stat().st_size)
        answer = client.get(SNAPSHOTS)
        assert code_of(answer) == (500, "flows-file-damaged")
