"""What a module is, by what it says of itself."""

import json

import pytest

from juno_snap.juno.roles import JunoModule, Package, recognise


def package(name, version="0.1.2", **more):
    return json.dumps({"name": name, "version": version, **more}).encode()


@pytest.mark.parametrize(
    ("content", "role", "version", "build"),
    [
        (package("@junobuild/satellite"), "satellite", "0.1.2", "stock"),
        (package("@junobuild/mission-control"), "mission-control", "0.1.2", None),
        (package("@junobuild/orbiter"), "orbiter", "0.1.2", None),
        (
            package("shop", "7.0.0", dependencies={"@junobuild/satellite": "0.1.1"}),
            "satellite",
            "0.1.1",
            "extended",
        ),
        (
            package("@junobuild/sputnik", "0.0.5", dependencies={"@junobuild/satellite": "0.1.1"}),
            "satellite",
            "0.1.1",
            "extended",
        ),
        (package("@junobuild/console"), None, "0.1.2", None),
        (package("shop", dependencies={"@junobuild/orbiter": "0.1.1"}), None, "0.1.2", None),
        (package("@junobuild/satellite", licence="MIT"), "satellite", "0.1.2", "stock"),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else None,
)
def test_the_package_tells_role_release_and_build(content, role, version, build):
    found = recognise(package=content, build=b"extended", version="9.9.9")
    assert (found.role, found.version, found.build) == (role, version, build)
    assert (found.evidence, found.is_certified) == ("juno:package", True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"name": "@junobuild/satellite"}',
        b'{"name": 1, "version": "0.1.0"}',
        package("@junobuild/satellite", "0.1.0\u202e"),
        package("x" * 101),
        package("@junobuild/satellite", dependencies=["a"]),
        package("@junobuild/satellite", dependencies={"a\nb": "1"}),
    ],
)
def test_a_malformed_package_says_nothing_and_is_not_replaced_by_weaker_evidence(content):
    found = recognise(package=content, build=b"stock", version="0.0.20")
    assert (found.role, found.version, found.build, found.package) == (None, None, None, None)
    assert "juno:package is malformed" in found.problem
    assert found.problem.isprintable()


@pytest.mark.parametrize("build", ["stock", "extended"])
def test_older_satellites_say_their_build_and_answer_with_their_version(build):
    found = recognise(package=None, build=f"{build}\n".encode(), version="0.0.17")
    expected = JunoModule(role="satellite", version="0.0.17", build=build, evidence="juno:build")
    assert found == expected
    assert not found.is_certified


def test_an_answer_alone_tells_a_version_and_no_role():
    found = recognise(package=None, build=b"something", version="0.0.9")
    assert (found.role, found.version, found.evidence) == (None, "0.0.9", "version")
    assert recognise(package=None, build=None) == JunoModule()


def test_a_version_that_juno_would_not_publish_is_no_release():
    found = recognise(package=package("@junobuild/orbiter", "0.1.0-beta"), build=None)
    assert (found.version, found.release) == ("0.1.0-beta", None)


def test_labels_say_what_it_is():
    own = Package(name="shop", version="1.0.0", dependencies={})
    assert JunoModule(role="satellite", build="stock", version="0.1.0").label == "satellite 0.1.0"
    assert JunoModule(role="satellite", build="extended").label == "extended satellite"
    assert JunoModule(package=own).label == "shop"
    assert JunoModule().label == "of no known role"
