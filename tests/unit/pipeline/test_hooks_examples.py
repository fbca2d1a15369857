"""The examples that people copy do what their comments say."""

import json
import threading
import tomllib
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from juno_snap.clock import system_clock
from juno_snap.pipeline.hooks.model import HookSpec, check_hook
from juno_snap.pipeline.hooks.run import Hooks
from juno_snap.units import NS_PER_SECOND
from tests.architecture.imports import ROOT
from tests.unit.pipeline.hook_values import context
from tests.unit.pipeline.values import MODULE

EXAMPLES = ROOT / "config" / "hooks"


async def run(name, *arguments, point="before-upgrade", pass_variables=(), **told):
    spec = HookSpec(
        name=name,
        point=point,
        command=(str(EXAMPLES / name), *arguments),
        pass_variables=pass_variables,
    )
    (result,) = await Hooks([spec]).run(point, context(**told))
    return result


class Page(BaseHTTPRequestHandler):
    """Keeps what is posted and answers as its server is told to."""

    def do_GET(self):
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(f"Welcome to {self.path}".encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, dict(self.headers), json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_arguments):
        """Say nothing."""


@pytest.fixture
def site():
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.status, server.posted = 200, []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def clock_time(*, hours: int) -> str:
    """The time of the day that many hours from now, as the example takes it."""
    now = datetime.fromtimestamp(system_clock().now_ns() // NS_PER_SECOND, tz=UTC)
    return f"{now + timedelta(hours=hours):%H:%M}"


@pytest.mark.anyio
async def test_within_the_maintenance_window_the_upgrade_goes_on():
    result = await run("maintenance_window.sh", clock_time(hours=-2), clock_time(hours=2))
    assert (result.outcome, result.output) == ("done", "")


@pytest.mark.anyio
async def test_outside_of_the_maintenance_window_it_is_called_off():
    begin, end = clock_time(hours=2), clock_time(hours=4)
    result = await run("maintenance_window.sh", begin, end)
    assert result.outcome == "vetoed"
    assert f"outside of the maintenance window from {begin} to {end} UTC" in result.detail


@pytest.mark.anyio
@pytest.mark.parametrize("arguments", [(), ("02:00",), ("2", "3"), ("24:00", "01:00")])
async def test_a_window_that_is_none_is_no_veto_but_a_failure(arguments):
    result = await run("maintenance_window.sh", *arguments)
    assert result.outcome == "failed"
    assert "such as 02:00" in result.detail


@pytest.mark.anyio
async def test_a_webhook_is_told_of_success_and_failure(site, monkeypatch):
    monkeypatch.setenv("WEBHOOK_URL", f"{site.url}/services/T1?x=1")
    done = await run("notify_webhook.py", point="after-upgrade", step_outcome="done")
    error = {"error_code": "rejected", "error_message": "IC0503: it trapped"}
    failed = await run("notify_webhook.py", point="on-failure", step_outcome="failed", **error)
    assert (done.outcome, failed.outcome) == ("done", "done")
    (path, headers, first), (_, _, second) = site.posted
    assert path == "/services/T1?x=1"
    assert "Authorization" not in headers
    subject = f"upgrade of {MODULE} on local (20261121-073722-123456)"
    assert first == {"text": f"{subject}: after-upgrade, done"}
    assert second == {"text": f"{subject} failed: IC0503: it trapped"}


@pytest.mark.anyio
async def test_a_webhook_gets_its_token_where_the_hook_may_have_it(site, monkeypatch):
    monkeypatch.setenv("WEBHOOK_URL", site.url)
    monkeypatch.setenv("WEBHOOK_TOKEN", "abc")
    await run("notify_webhook.py", pass_variables=("WEBHOOK_TOKEN",))
    ((_, headers, _),) = site.posted
    assert headers["Authorization"] == "Bearer abc"


@pytest.mark.anyio
async def test_a_webhook_that_refuses_is_a_failure_in_words(site, monkeypatch):
    monkeypatch.setenv("WEBHOOK_URL", site.url)
    site.status = 403
    result = await run("notify_webhook.py", point="after-upgrade")
    assert result.outcome == "failed"
    assert result.detail == "exit code 1: the webhook was not told: it answered 403"
    monkeypatch.delenv("WEBHOOK_URL")
    result = await run("notify_webhook.py", point="after-upgrade")
    assert result.detail.endswith("WEBHOOK_URL is no URL: ''")


@pytest.mark.anyio
async def test_a_site_that_answers_is_fine(site):
    page = f"{site.url}/home?x=1"
    assert (await run("http_smoke.py", page)).outcome == "done"
    assert (await run("http_smoke.py", page, "Welcome to /home?x=1")).outcome == "done"


@pytest.mark.anyio
async def test_a_site_that_does_not_is_a_failure_in_words(site):
    result = await run("http_smoke.py", site.url, "Goodbye")
    assert result.detail == f"exit code 1: {site.url} does not hold 'Goodbye'"
    site.status = 503
    result = await run("http_smoke.py", site.url)
    assert result.detail == f"exit code 1: {site.url} answers 503"
    result = await run("http_smoke.py", "nowhere")
    assert result.detail == "exit code 1: nowhere does not answer: no URL: 'nowhere'"


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_the_configuration_that_an_example_shows_is_valid(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if "[[hooks]]" in line)
    shown = []
    for line in lines[first:]:
        text = line.removeprefix("#").strip()
        if not text:
            break
        shown.append(text)
    (entry,) = tomllib.loads("\n".join(shown))["hooks"]
    entry["command"] = tuple(entry["command"])
    check_hook(HookSpec(**entry))
    assert (ROOT / "config" / entry["command"][0]).resolve() == path
