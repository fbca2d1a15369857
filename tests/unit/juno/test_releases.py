"""The list of releases, what lies between two of them, and their checksums."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.errors import DecodeError, InputError, NotFoundError
from juno_snap.juno.releases.checksums import published_checksum
from juno_snap.juno.releases.model import file_name, parse_catalogue, releases_between, version_in
from juno_snap.juno.roles import Version

LISTS = {
    "mission_controls": ["0.1.0"],
    "satellites": ["0.1.3", "0.0.9", "0.1.10", "0.1.3"],
    "orbiters": ["0.2.2"],
}


def catalogue(**changes):
    return parse_catalogue(json.dumps({**LISTS, **changes}).encode(), url="http://cdn")


def versions(*texts):
    return tuple(map(Version.parse, texts))


def test_releases_are_in_the_order_of_their_numbers():
    found = catalogue()
    assert found.versions["satellite"] == versions("0.0.9", "0.1.3", "0.1.10")
    assert str(found.latest("satellite")) == "0.1.10"


def test_a_version_has_every_release_of_juno_that_lists_it():
    listed = [
        {"tag": "0.0.54", "console": "0.1.1", "mission_control": "0.1.0", "satellite": "0.1.3"},
        {"tag": "0.0.55", "console": "0.1.2", "mission_control": "0.1.0", "satellite": "0.1.3"},
    ]
    found = catalogue(releases=listed)
    assert found.tags["satellite", Version.parse("0.1.3")] == ("0.0.54", "0.0.55")
    assert ("orbiter", Version.parse("0.2.2")) not in found.tags


def test_a_release_that_is_not_listed_is_told_with_the_newest():
    with pytest.raises(NotFoundError, match=r"0\.2\.0.*0\.1\.10"):
        catalogue().choose("satellite", Version.parse("0.2.0"))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"<html>sorry</html>", id="a page"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="another shape"),
        pytest.param(json.dumps({**LISTS, "satellites": []}).encode(), id="an empty list"),
        pytest.param(json.dumps({**LISTS, "satellites": ["1.0"]}).encode(), id="no version"),
        pytest.param(json.dumps({**LISTS, "orbiters": [1]}).encode(), id="a number"),
        pytest.param(
            json.dumps({**LISTS, "releases": [{"tag": "../../evil"}]}).encode(), id="a path as tag"
        ),
    ],
)
def test_what_is_no_list_of_releases_is_refused(data):
    with pytest.raises(DecodeError) as caught:
        parse_catalogue(data, url="http://cdn/metadata.json")
    assert caught.value.code == "releases-malformed"
    assert "http://cdn/metadata.json" in caught.value.message


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "1.2.3.4", "1.2.x", "01.2.3", "1.2.3\n", "-1.2.3"]
)
def test_what_is_no_version_is_refused(text):
    with pytest.raises(InputError):
        Version.parse(text)


def test_one_release_lies_between_neighbours_and_none_on_the_way_back():
    published = versions("0.0.9", "0.1.3", "0.1.10", "0.2.0")
    first, second, third, last = published
    assert releases_between(published, first, second) == (second,)
    assert releases_between(published, first, last) == (second, third, last)
    assert releases_between(published, last, first) == ()
    assert releases_between(published, last, last) == ()


def test_a_version_that_was_never_published_has_its_place_between_the_others():
    published = versions("0.1.0", "0.2.0", "0.3.0")
    installed = Version.parse("0.1.7")
    assert releases_between(published, installed, published[-1]) == published[1:]


NUMBERS = st.builds(Version, *[st.integers(0, 3)] * 3)


@given(published=st.lists(NUMBERS), installed=NUMBERS, wanted=NUMBERS)
def test_going_through_what_lies_between_skips_nothing(published, installed, wanted):
    between = releases_between(published, installed, wanted)
    place = installed
    for version in between:
        assert releases_between(published, place, version) == (version,)
        place = version
    assert releases_between(published, place, wanted) == ()


def test_a_file_name_tells_its_release():
    name = file_name("mission-control", Version.parse("0.1.0"))
    assert name == "mission_control-v0.1.0.wasm.gz"
    assert version_in(name) == ("mission-control", Version.parse("0.1.0"))
    assert version_in("my-build.wasm") is None
    assert version_in(f"x{name}") is None


def checksum(text):
    return published_checksum(text, "satellite", Version.parse("0.1.3"))


A, B = "ab" * 32, "cd" * 32


@pytest.mark.parametrize(
    "text",
    [
        f"{A}  ./satellite.wasm.gz\n",
        f"{A.upper()}  satellite.wasm.gz",
        f"{A} *satellite-v0.1.3.wasm.gz\r\n",
        f"{B}  orbiter.wasm.gz\n{A}  satellite.wasm.gz\n{A}  ./satellite.wasm.gz\n",
        f"{B}  satellite.wasm.gz\n{A}  satellite-v0.1.3.wasm.gz\n",
    ],
)
def test_a_checksum_is_found_under_the_name_of_the_file(text):
    assert checksum(text.encode()) == bytes.fromhex(A)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>not found</html>",
        f"{A}  satellite-v0.1.4.wasm.gz",
        f"{A}  my-satellite.wasm.gz",
        f"{A}  ../satellite.wasm.gz",
        f"{A[:-2]}  satellite.wasm.gz",
        f"{A}  satellite.wasm.gz\n{B}  satellite.wasm.gz",
    ],
)
def test_a_checksum_of_something_else_or_two_that_differ_are_none(text):
    assert checksum(text.encode()) is None
