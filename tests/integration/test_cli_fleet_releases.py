"""Fleets whose modules get published releases of Juno, each the one of its role."""

import hashlib

import pytest

from juno_snap.replica.samples import sample
from tests.integration.cli_world import ask, juno_snap, look, refuse
from tests.integration.fleet_world import outcomes
from tests.juno.cdn import WASM_TYPE, Page, running_cdn
from tests.juno.modules import PACKAGES, with_package

TRUST, FAILED = 13, 16
ROLES = {"north": "satellite", "south": "satellite", "stats": "orbiter"}
STORES = {version: sample(f"document_store_v{version[2]}") for version in ("0.1.0", "0.2.0")}
NEWER = sample("document_store_v3")
EXTENDED = with_package(
    sample("counter"), "my-functions", "1.0.0", {PACKAGES["satellite"]: "0.1.0"}
)


def orbiter(version):
    return with_package(sample("counter"), PACKAGES["orbiter"], version)


@pytest.fixture
def cdn(monkeypatch):
    """Two releases of the satellite and of the orbiter."""
    with running_cdn() as running:
        monkeypatch.setenv("JUNO_SNAP_RELEASES_URL", running.files)
        monkeypatch.setenv("JUNO_SNAP_RELEASES_CHECKSUMS_URL", running.checksums)
        for version, wasm in STORES.items():
            running.publish("satellite", version, wasm)
        for version in ("0.1.0", "0.1.1"):
            running.publish("orbiter", version, orbiter(version))
        yield running


def create(folder, name, wasm):
    file = folder / f"{name}.wasm"
    file.write_bytes(wasm)
    return ask("module", "create", "--name", name, "--wasm", file)["module"]


@pytest.fixture
def sites(cli, cdn):
    """Two satellites and an orbiter, each of the first release."""
    return {
        name: create(cli, name, STORES["0.1.0"] if role == "satellite" else orbiter("0.1.0"))
        for name, role in ROLES.items()
    }


def write(folder, modules, *, upgrade="latest = true", head=""):
    """A fleet file; ``modules`` maps a name to its own lines."""
    tables = "".join(f'[[modules]]\nmodule = "{name}"\n{own}\n' for name, own in modules.items())
    file = folder / "fleet.toml"
    text = f'[fleet]\nname = "sites"\nconcurrency = 3\n{head}\n[upgrade]\n{upgrade}\n{tables}'
    file.write_text(text, encoding="utf-8")
    return file


def versions(*modules):
    return [ask("status", "--module", each)["version"] for each in modules]


def downloads(cdn):
    return sorted(each.path.rpartition("/")[2] for each in cdn.asked(".wasm.gz"))


def codes(plan):
    """Why modules of a plan would be refused, by name."""
    return {each["name"]: [one["code"] for one in each["refusals"]] for each in plan["modules"]}


def test_each_module_gets_the_newest_release_of_its_role_and_each_file_comes_once(cli, cdn, sites):
    file = write(cli, dict.fromkeys(sites, ""))
    plan = ask("fleet", "plan", file)["plan"]
    assert plan["refused"] == 0
    assert {each["name"]: each["version"] for each in plan["modules"]} == {
        "north": {"from": "0.1.0", "to": "0.2.0"},
        "south": {"from": "0.1.0", "to": "0.2.0"},
        "stats": {"from": "0.1.0", "to": "0.1.1"},
    }
    assert "upgrade to 0.1.1" in juno_snap("fleet", "plan", file).out
    assert versions(*sites) == ["0.1.0"] * 3
    report = ask("fleet", "apply", file)["fleet"]
    assert report["outcomes"] == {"upgraded": 3}
    assert versions(*sites) == ["0.2.0", "0.2.0", "0.1.1"]
    assert ask("fleet", "apply", file)["fleet"]["outcomes"] == {"unchanged": 3}
    assert downloads(cdn) == ["orbiter-v0.1.1.wasm.gz", "satellite-v0.2.0.wasm.gz"]


def test_the_guards_hold_for_each_module_and_its_own_keys_lift_them(cli, cdn, sites):
    cdn.publish("satellite", "0.3.0", NEWER)
    create(cli, "late", STORES["0.2.0"])
    create(cli, "extended", EXTENDED)
    create(cli, "nobody", sample("counter"))
    create(cli, "plain", sample("counter"))
    (cli / "other.wasm").write_bytes(orbiter("1.1.0"))
    asked = {
        "north": 'version = "0.2.0"',
        "south": "latest = true",
        "late": 'version = "0.1.0"',
        "extended": 'version = "0.1.0"',
        "nobody": "latest = true",
        "stats": 'version = "9.9.9"',
        "plain": 'src = "other.wasm"',
    }
    head = "stop_after_failures = 9"
    file = write(cli, asked, upgrade="", head=head)
    before = [look(name) for name in asked if name not in {"north", "plain"}]
    refusals = {
        "north": [],
        "south": ["release-skipped"],
        "late": ["downgrade"],
        "extended": ["stock-over-extended"],
        "nobody": ["role-unknown"],
        "stats": ["release-not-found"],
        "plain": [],
    }
    plan = ask("fleet", "plan", file)["plan"]
    assert {name: said[:1] for name, said in codes(plan).items()} == refusals
    assert plan["refused"] == 5
    told = " ".join(juno_snap("fleet", "plan", file).out.split())
    for words in ("skip", "downgrade", "stock"):
        assert f'(allow = ["{words}"])' in told
    ran = juno_snap("fleet", "apply", file, "--json")
    assert ran.code == FAILED
    done = outcomes(ran.document["fleet"])
    assert {name for name, outcome in done.items() if outcome == "refused"} == {
        name for name, said in refusals.items() if said
    }
    assert (done["north"], done["plain"]) == ("upgraded", "upgraded")
    assert [look(name) for name in asked if name not in {"north", "plain"}] == before
    allowed = {
        "south": 'latest = true\nallow = ["skip"]',
        "late": 'version = "0.1.0"\nallow = ["downgrade"]',
    }
    file = write(cli, allowed, upgrade="", head=head)
    plan = ask("fleet", "plan", file)["plan"]
    assert "release-skipped" not in codes(plan)["south"]
    assert "downgrade" not in codes(plan)["late"]


def test_a_file_that_is_not_what_was_published_stops_all_before_anything_is_done(cli, cdn, sites):
    page = cdn.page("orbiter", "0.1.1")
    other = cdn.page("orbiter", "0.1.0").body
    cdn.page("orbiter", "0.1.1", Page(body=other, content_type=WASM_TYPE))
    file = write(cli, dict.fromkeys(sites, ""))
    for verb in ("plan", "apply"):
        ran = refuse("fleet", verb, file)
        assert (ran.code, ran.error["code"]) == (TRUST, "release-checksum")
    assert versions(*sites) == ["0.1.0"] * 3
    cdn.page("orbiter", "0.1.1", page)
    cdn.checksums_of("orbiter", "0.1.1").body = b"nothing\n"
    assert codes(ask("fleet", "plan", file)["plan"])["stats"] == ["release-unverified"]
    asked = {**dict.fromkeys(sites, ""), "stats": 'allow = ["unverified-release"]'}
    ran = juno_snap("fleet", "plan", write(cli, asked), "--json")
    assert ran.document["plan"]["refused"] == 0
    assert "not verified" in ran.err


def test_a_hash_vouches_for_the_release_that_it_stands_beside(cli, cdn, sites):
    cdn.checksums_of("satellite", "0.2.0").body = b"nothing\n"
    digest = hashlib.sha256(cdn.page("satellite", "0.2.0").body).hexdigest()
    asked = {
        "north": f'version = "0.2.0"\nsha256 = "{digest}"',
        "south": 'version = "0.2.0"',
        "stats": 'version = "0.1.1"',
    }
    for upgrade in "", f'latest = true\nsha256 = "{"0" * 64}"':
        plan = ask("fleet", "plan", write(cli, asked, upgrade=upgrade))["plan"]
        assert codes(plan) == {"north": [], "south": ["release-unverified"], "stats": []}


def test_what_is_latest_stays_so_for_a_run_that_goes_on(cli, cdn, sites):
    asked = {"north": "checks = ['version() == \"9.9.9\"']", "south": ""}
    upgrade = "latest = true\nhealth_timeout_seconds = 1"
    file = write(cli, asked, upgrade=upgrade)
    file.write_text(file.read_text("utf-8").replace("concurrency = 3", "concurrency = 1"), "utf-8")
    ran = juno_snap("fleet", "apply", file, "--json")
    assert outcomes(ran.document["fleet"]) == {"north": "rolled-back", "south": "pending"}
    cdn.publish("satellite", "0.3.0", NEWER)
    ran = juno_snap("fleet", "resume", file, "--json")
    assert outcomes(ran.document["fleet"]) == {"north": "rolled-back", "south": "upgraded"}
    assert versions("south") == ["0.2.0"]
    plan = ask("fleet", "plan", file)["plan"]
    assert [each["version"]["to"] for each in plan["modules"]] == ["0.3.0", "0.3.0"]
