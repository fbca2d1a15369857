"""The demo tells the whole story, and checks it."""

import secrets

import pytest

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.identity import generate_ed25519
from juno_snap.cli.demo_story import DOCUMENTS, Story
from juno_snap.errors import JunoSnapError
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.samples import sample
from tests.integration.cli_world import juno_snap, run_child


def test_the_demo_brings_the_data_back(cli):
    ran = juno_snap("demo")
    assert (ran.code, ran.err) == (0, "")
    assert 'the check is bad: document("invoice-1")' in ran.out
    assert "rolled-back by itself: version 0.2.0 runs again" in ran.out
    assert "the data is back: all 3 documents" in ran.out
    assert ran.out.count("$ juno-snap ") == 8


def test_the_demo_as_a_document(cli, tmp_path):
    ran = run_child("demo", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.document["ok"] is True
    assert ran.document["documents"] == DOCUMENTS
    assert ran.document["lost_by_the_bad_upgrade"] == ["invoice-1"]
    assert not (tmp_path / "state").exists()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("third", "words"),
    [
        pytest.param("document_store_v2", "lost none", id="an upgrade that loses nothing"),
        pytest.param("counter", "does not say what it is", id="another program"),
    ],
)
async def test_the_demo_does_not_claim_what_is_not_so(cli_replica, third, words):
    def changed(name):
        return sample(third if name == "document_store_v3" else name) + b"\x00\x02\x01x"

    options = AgentOptions(url=cli_replica.url, root_key=cli_replica.root_key)
    async with await open_agent(options, generate_ed25519(secrets.token_bytes(32))) as agent:
        workspace = Workspace.in_memory(ManagementClient(agent))
        story = Story(workspace=workspace, sample=changed, tell=lambda _text: None)
        with pytest.raises(JunoSnapError, match=words):
            await story.run()
