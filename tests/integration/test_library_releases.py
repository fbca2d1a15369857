"""Published releases and resets as a program uses them."""

import pytest

import juno_snap
from juno_snap.errors import InputError, PreconditionError
from juno_snap.juno.roles import Version
from juno_snap.replica.samples import sample
from juno_snap.testing import run_local_replica
from tests.integration.management_world import OWNER
from tests.juno.cdn import running_cdn
from tests.juno.modules import install_argument, module, with_metadata
from tests.juno.world import LISTS, entries_of, settings_of

pytestmark = pytest.mark.anyio

V1, V2, LOSES = (sample(f"document_store_v{n}") for n in (1, 2, 3))
ALL_THERE = "count_documents() == 1"
SOON = juno_snap.UpgradeRequest(health_timeout_seconds=1)


def release(version):
    """A release of the document store, which says that it is a satellite."""
    return V2.replace(b'"version": "0.2.0"', f'"version": "{version}"'.encode())


@pytest.fixture
def cdn():
    with running_cdn() as running:
        for version in ("0.2.0", "0.3.0", "0.4.0"):
            running.publish("satellite", version, release(version))
        yield running


@pytest.fixture
def connect(cli_replica, cdn, tmp_path):
    """Connections that know where the releases are."""
    file = tmp_path / "releases.toml"
    said = f'[releases]\nurl = "{cdn.files}"\nchecksums_url = "{cdn.checksums}"\n'
    file.write_text(said, encoding="utf-8")

    def opened():
        return juno_snap.connect(
            cli_replica.url,
            root_key=cli_replica.root_key,
            identity=OWNER,
            state=tmp_path / "state",
            config=file,
        )

    return opened


async def store_with_a_document(network):
    made = await network.create_module(V1)
    await made.call("set_document", '("greeting", "hello")')
    return made


async def snapshots(store):
    there = await store.snapshots()
    return [(each.id, getattr(there.notes.get(each.id), "label", None)) for each in there.snapshots]


async def installed(store):
    return await store.call("version", query=True)


async def test_releases_are_listed(connect):
    async with connect() as network:
        catalogue = await network.releases()
    assert isinstance(catalogue, juno_snap.Catalogue)
    assert list(map(str, catalogue.versions["satellite"])) == ["0.2.0", "0.3.0", "0.4.0"]
    assert catalogue.latest("satellite") == Version(0, 4, 0)


async def test_a_release_is_chosen_and_one_that_skips_others_is_refused(connect):
    async with connect() as network:
        store = await store_with_a_document(network)
        with pytest.raises(PreconditionError) as refused:
            await store.releases.upgrade(latest=True)
        assert refused.value.code == "release-skipped"
        assert await snapshots(store) == []
        (plan,) = await store.releases.plan(version="0.2.0")
        assert (plan.version, plan.is_estimate, plan.plan.outline.refusals) == ("0.2.0", False, ())
        way = await store.releases.upgrade(version="0.2.0", checks=[ALL_THERE])
        assert (way.reached, [report.outcome for _, report in way.passed]) == (
            "0.2.0",
            ["upgraded"],
        )
        assert [check["ok"] for check in way.passed[0][1].checks] == [True]
        way = await store.releases.upgrade(latest=True, allow={"skip"})
        assert way.reached == "0.4.0"
        with pytest.raises(PreconditionError) as refused:
            await store.releases.upgrade(version="0.3.0")
        assert refused.value.code == "downgrade"
        assert (await store.releases.upgrade(version="0.3.0", allow={"downgrade"})).reached == (
            "0.3.0"
        )


async def test_steps_keep_the_snapshot_before_the_first_and_say_how_far_they_came(connect, cdn):
    cdn.publish("satellite", "0.3.0", LOSES)
    told = []
    async with connect() as network:
        store = await store_with_a_document(network)
        with pytest.raises(juno_snap.OperationFailedError) as failed:
            await store.releases.upgrade(
                latest=True, step=True, request=SOON, checks=[ALL_THERE], on_event=told.append
            )
        assert failed.value.report.outcome == "rolled-back"
        (note,) = failed.value.__notes__
        assert note.startswith("not all the way to 0.4.0: the module is at 0.2.0")
        assert await installed(store) == '("0.2.0")'
        first = [entry for entry in await snapshots(store) if entry[1] is not None]
        assert [label for _, label in first] == ["before-0.4.0"]
        cdn.publish("satellite", "0.3.0", with_metadata(release("0.3.0"), "mended", b"yes"))
        way = await store.releases.upgrade(latest=True, step=True, request=SOON, checks=[ALL_THERE])
        assert [str(candidate.version) for candidate, _ in way.passed] == ["0.3.0", "0.4.0"]
        assert (way.reached, way.to_json()["version"]) == (
            "0.4.0",
            {"from": "0.2.0", "to": "0.4.0", "reached": "0.4.0"},
        )
        assert [entry for entry in await snapshots(store) if entry[1] is not None] == first
        await store.load_snapshot("before-0.4.0")
        assert await installed(store) == '("0.1.0")'
    assert told


async def test_every_release_on_the_way_is_planned(connect):
    async with connect() as network:
        store = await store_with_a_document(network)
        plans = await store.releases.plan(latest=True, step=True)
        assert await snapshots(store) == []
        assert [(each.version, each.is_estimate) for each in plans] == [
            ("0.2.0", False),
            ("0.3.0", True),
            ("0.4.0", True),
        ]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({}, id="neither"),
        pytest.param({"version": "0.2.0", "latest": True}, id="both"),
        pytest.param({"version": "newest"}, id="no version"),
        pytest.param({"latest": True, "step": True, "allow": {"skip"}}, id="steps that skip"),
        pytest.param({"latest": True, "allow": {"skipping"}}, id="no guard"),
    ],
)
async def test_what_cannot_be_meant_is_refused(connect, wrong):
    async with connect() as network:
        store = await network.create_module(V1)
        with pytest.raises(InputError):
            await store.releases.upgrade(**wrong)
        assert await snapshots(store) == []


def test_a_module_for_tests_knows_no_releases():
    with run_local_replica() as replica, pytest.raises(PreconditionError) as refused:
        _ = replica.create(V1).module.releases
    assert refused.value.code == "no-releases"


async def settings(satellite):
    return {
        method: entries_of(method, await satellite.call(method.strip(), argument, query=True))
        for method, argument in LISTS["satellite"]
    }


async def test_a_reset_to_a_release_sets_the_configuration_again(connect, cdn):
    cdn.publish("satellite", "0.5.0", module("satellite", "0.5.0"))
    async with connect() as network:
        argument = install_argument("satellite", OWNER.principal, memory="variant { Stable }")
        satellite = await network.create_module(module("satellite", "0.4.0"), arg=argument)
        for method, said in settings_of("satellite"):
            await satellite.call(method, said)
        before = await settings(satellite)
        wiped = juno_snap.UpgradeRequest(reset=True)
        way = await satellite.releases.upgrade(latest=True, request=wiped)
        assert way.reached == "0.5.0"
        assert [step.name for step in way.passed[0][1].facts.steps][-1] == "restore-configuration"
        assert await settings(satellite) == before
        assert await satellite.call("get_doc", '("notes", "one")', query=True) == "(null)"
        report = await satellite.upgrade(module("satellite", "0.5.0"), wiped)
        assert report.outcome == "upgraded"
        assert await settings(satellite) == before
