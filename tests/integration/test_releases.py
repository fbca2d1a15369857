"""Releases from a real server, which sends the right thing and all the wrong ones."""

import hashlib

import pytest

from juno_snap.clock import system_clock
from juno_snap.errors import (
    DecodeError,
    NotFoundError,
    PreconditionError,
    TransportError,
    TrustError,
)
from juno_snap.events import BytesMoved, Notice
from juno_snap.juno.releases.cache import ReleaseCache
from juno_snap.juno.releases.source import Addresses, ReleaseSource
from juno_snap.juno.roles import Version
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.management_world import client_of
from tests.juno.cdn import WASM_TYPE, Page, running_cdn
from tests.juno.certified import (
    EXCLUDING,
    LISTED,
    certify,
    header,
    new_voucher,
    path_2,
    tree_1,
    tree_2,
)

pytestmark = pytest.mark.anyio

WASM = b"\x00asm\x01\x00\x00\x00" + bytes(range(256)) * 40
ROLE = "satellite"
FIRST = Version.parse("0.1.0")
PATH = "/releases/satellite-v0.1.0.wasm.gz"
ENDING = "satellite-v0.1.0.wasm.gz"


class Impatient:
    """A ``Clock`` that does not wait, and counts how often it should have."""

    def __init__(self):
        self.waits = 0

    def now_ns(self):
        return system_clock().now_ns()

    def monotonic_ns(self):
        return system_clock().monotonic_ns()

    async def sleep(self, seconds):
        self.waits += 1


@pytest.fixture
def cdn():
    with running_cdn() as running:
        running.file = running.publish(ROLE, "0.1.0", WASM)
        yield running


@pytest.fixture(scope="module")
def replica():
    with run_replica(ReplicaOptions(seed="releases")) as running:
        yield running


def source_of(cdn, folder, *, canister=None, root_key=b"", clock=None):
    addresses = Addresses(
        files=cdn.files, checksums=cdn.checksums, canister=canister, root_key=root_key
    )
    return ReleaseSource(addresses, ReleaseCache(folder), clock=clock or Impatient())


async def obtain(cdn, folder, *, version=FIRST, canister=None, root_key=b"", **options):
    source = source_of(cdn, folder, canister=canister, root_key=root_key)
    return await source.obtain(await source.catalogue(), ROLE, version, **options)


def kept(folder):
    """Files of releases that may be used again."""
    return sorted(each.name for each in folder.glob("releases/*.wasm.gz"))


async def test_a_release_is_downloaded_once_and_is_what_was_published(cdn, tmp_path):
    events = []
    release = await obtain(cdn, tmp_path, observer=events.append)
    digest = hashlib.sha256(cdn.file).hexdigest()
    assert (release.data, release.sha256.hex(), release.is_verified) == (cdn.file, digest, True)
    assert "SHA-256 as published in release 0.0.1" in release.proofs
    moved = [event for event in events if isinstance(event, BytesMoved)]
    assert (moved[-1].done_bytes, moved[-1].total_bytes) == (len(cdn.file), len(cdn.file))
    again = await obtain(cdn, tmp_path)
    assert (again.data, kept(tmp_path)) == (cdn.file, [f"{digest}.wasm.gz"])
    assert len(cdn.asked(ENDING)) == 1


async def test_a_kept_file_that_was_changed_is_downloaded_again(cdn, tmp_path):
    await obtain(cdn, tmp_path)
    (file,) = tmp_path.glob("releases/*.wasm.gz")
    file.write_bytes(b"\x1f\x8b\x08 evil")
    assert (await obtain(cdn, tmp_path)).data == cdn.file
    assert len(cdn.asked(ENDING)) == 2


async def test_a_download_that_breaks_off_goes_on_where_it_was(cdn, tmp_path):
    cdn.page(ROLE, "0.1.0").cuts_after = [100, 50]
    assert (await obtain(cdn, tmp_path)).data == cdn.file
    asked = [request.headers.get("range") for request in cdn.asked(ENDING)]
    assert asked == [None, "bytes=100-", "bytes=150-"]


@pytest.mark.parametrize("lacking", ["has_ranges", "has_etag"])
async def test_a_server_that_cannot_go_on_sends_it_anew(cdn, tmp_path, lacking):
    page = cdn.page(ROLE, "0.1.0")
    page.cuts_after = [100]
    setattr(page, lacking, False)
    events = []
    assert (await obtain(cdn, tmp_path, observer=events.append)).data == cdn.file
    done = [event.done_bytes for event in events if isinstance(event, BytesMoved)]
    assert done == sorted(done)


async def test_a_later_run_goes_on_with_a_download_that_broke_off(cdn, tmp_path):
    cdn.page(ROLE, "0.1.0").cuts_after = [100, 0, 0, 0]
    with pytest.raises(TransportError) as caught:
        await obtain(cdn, tmp_path)
    assert caught.value.code == "disconnected"
    assert kept(tmp_path) == []
    assert (await obtain(cdn, tmp_path)).data == cdn.file
    assert cdn.asked(ENDING)[-1].headers["range"] == "bytes=100-"
    assert list(tmp_path.glob("releases/*.part")) == []


async def test_the_rest_of_another_file_is_not_put_onto_the_beginning_of_one(cdn, tmp_path):
    cdn.page(ROLE, "0.1.0").cuts_after = [100, 0, 0, 0]
    with pytest.raises(TransportError):
        await obtain(cdn, tmp_path)
    other = cdn.publish(ROLE, "0.1.0", WASM + b"\x00\x01\x00")
    assert (await obtain(cdn, tmp_path)).data == other


async def test_a_server_that_is_busy_is_asked_again(cdn, tmp_path):
    page = cdn.page(ROLE, "0.1.0")
    cdn.page(ROLE, "0.1.0", Page(body=b"busy", content_type="text/plain", status=503))
    clock = Impatient()
    source = source_of(cdn, tmp_path, clock=clock)
    catalogue = await source.catalogue()
    with pytest.raises(TransportError) as caught:
        await source.obtain(catalogue, ROLE, FIRST)
    assert (caught.value.status, clock.waits, len(cdn.asked(ENDING))) == (503, 3, 4)
    cdn.page(ROLE, "0.1.0", page)
    assert (await source.obtain(catalogue, ROLE, FIRST)).is_verified


async def refused(error, cdn, folder, **options):
    """The error of a download, after which nothing is kept that could be installed."""
    with pytest.raises(error) as caught:
        await obtain(cdn, folder, **options)
    assert kept(folder) == []
    return caught.value


async def test_another_file_than_the_published_one_is_refused(cdn, tmp_path):
    evil = cdn.file[:-1] + bytes([cdn.file[-1] ^ 1])
    cdn.page(ROLE, "0.1.0", Page(body=evil, content_type=WASM_TYPE))
    error = await refused(TrustError, cdn, tmp_path, may_be_unverified=True)
    assert error.code == "release-checksum"
    assert hashlib.sha256(cdn.file).hexdigest() in error.message
    assert hashlib.sha256(evil).hexdigest() in error.message


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            Page(body=b"<html>Oops</html>", content_type="text/html; charset=utf-8"), id="a page"
        ),
        pytest.param(Page(body=b"<html>Oops</html>", content_type=WASM_TYPE), id="in disguise"),
        pytest.param(Page(body=b"", content_type=WASM_TYPE), id="nothing"),
        pytest.param(Page(body=b'{"error":1}', content_type="application/json"), id="json"),
        pytest.param(Page(body=WASM, content_type="text/plain"), id="wasm that says it is text"),
    ],
)
async def test_what_is_no_wasm_is_refused_also_without_a_checksum(cdn, tmp_path, page):
    cdn.page(ROLE, "0.1.0", page)
    cdn.checksums_of(ROLE, "0.1.0").status = 404
    error = await refused(TrustError, cdn, tmp_path, may_be_unverified=True)
    assert error.code == "release-not-wasm"


async def test_the_page_of_an_error_is_no_release(cdn, tmp_path):
    cdn.page(ROLE, "0.1.0", Page(body=WASM, content_type=WASM_TYPE, status=404))
    assert (await refused(NotFoundError, cdn, tmp_path)).code == "not-published"
    cdn.page(ROLE, "0.1.0", Page(body=WASM, content_type=WASM_TYPE, status=403))
    assert (await refused(TransportError, cdn, tmp_path)).status == 403


async def test_a_redirect_on_the_same_host_is_followed(cdn, tmp_path):
    page = cdn.page(ROLE, "0.1.0")
    cdn.pages["/elsewhere"] = page
    cdn.page(ROLE, "0.1.0", Page(body=b"", status=302, headers={"Location": "/elsewhere"}))
    assert (await obtain(cdn, tmp_path)).data == cdn.file


@pytest.mark.parametrize("what", ["file", "checksums", "list"])
async def test_a_redirect_to_another_host_is_refused(cdn, tmp_path, what):
    with running_cdn() as other:
        page = {
            "file": cdn.page(ROLE, "0.1.0"),
            "checksums": cdn.checksums_of(ROLE, "0.1.0"),
            "list": cdn.pages["/releases/metadata.json"],
        }[what]
        page.status, page.headers = 302, {"Location": f"{other.url}/anything"}
        assert (await refused(TrustError, cdn, tmp_path)).code == "redirect-elsewhere"
        assert other.requests == []


async def test_redirects_in_a_circle_end(cdn, tmp_path):
    cdn.page(ROLE, "0.1.0", Page(body=b"", status=302, headers={"Location": PATH}))
    assert (await refused(TransportError, cdn, tmp_path)).code == "redirects"


async def test_an_answer_without_end_is_given_up(cdn, tmp_path):
    cdn.pages["/releases/metadata.json"].body = b" " * (5 * 1024 * 1024)
    with pytest.raises(DecodeError) as caught:
        await source_of(cdn, tmp_path).catalogue()
    assert caught.value.code == "release-too-large"


@pytest.mark.parametrize("how", ["missing", "a page", "another name"])
async def test_without_a_checksum_it_is_refused_unless_that_is_said(cdn, tmp_path, how):
    page = cdn.checksums_of(ROLE, "0.1.0")
    if how == "missing":
        page.status = 404
    else:
        page.body = b"<html>" if how == "a page" else page.body.replace(b"satellite", b"orbiter")
    error = await refused(PreconditionError, cdn, tmp_path)
    assert error.code == "release-unverified"
    assert "--unverified-release" in error.hint
    assert cdn.asked(ENDING) == []
    events = []
    release = await obtain(cdn, tmp_path, may_be_unverified=True, observer=events.append)
    assert (release.data, release.is_verified, kept(tmp_path)) == (cdn.file, False, [])
    assert [event.warning for event in events if isinstance(event, Notice)] == [True]


async def test_a_digest_that_a_person_says_stands_in_for_a_checksum(cdn, tmp_path):
    cdn.checksums_of(ROLE, "0.1.0").status = 404
    error = await refused(TrustError, cdn, tmp_path, pinned=bytes(32))
    assert error.code == "release-checksum"
    release = await obtain(cdn, tmp_path, pinned=hashlib.sha256(cdn.file).digest())
    assert (release.is_verified, "as published in --sha256" in release.proofs[0]) == (True, True)


async def test_a_version_of_several_releases_of_juno_may_have_the_checksum_of_any(cdn, tmp_path):
    old = cdn.file
    newer = cdn.publish(ROLE, "0.1.0", WASM + b"\x00\x01\x00")
    assert newer != old
    release = await obtain(cdn, tmp_path)
    assert release.data == newer
    assert "release 0.0.2" in release.proofs[0]


async def test_a_server_that_is_not_there_is_told_with_its_address(cdn, tmp_path):
    source = source_of(cdn, tmp_path)
    cdn.url = "http://127.0.0.1:1"
    with pytest.raises(TransportError) as caught:
        await source_of(cdn, tmp_path).catalogue()
    assert (caught.value.code, "http://127.0.0.1:1" in caught.value.message) == (
        "unreachable",
        True,
    )
    assert (await source.catalogue()).latest(ROLE) == FIRST


async def vouch(client, canister, cdn, version, *, expression=LISTED, body=None, path=PATH):
    """Let the canister vouch for the page, or for something else in its place."""
    page = cdn.page(ROLE, "0.1.0")
    content = page.body if body is None else body
    headers = {"content-type": page.content_type}
    if version == 1:
        tree = tree_1(path, content)
        page.headers = {"IC-Certificate": header(await certify(client, canister, tree), tree)}
        return
    if expression == EXCLUDING:
        page.has_etag = False
    tree = tree_2(path, content, headers, expression)
    text = header(await certify(client, canister, tree), tree, version=2, expr_path=path_2(path))
    page.headers = {"IC-Certificate": text, "IC-CertificateExpression": expression}


CASES = [
    pytest.param(1, LISTED, id="version 1"),
    pytest.param(2, LISTED, id="version 2, some headers"),
    pytest.param(2, EXCLUDING, id="version 2, all headers"),
]


@pytest.mark.parametrize(("version", "expression"), CASES)
async def test_the_certificate_of_the_canister_is_verified(
    replica, cdn, tmp_path, version, expression
):
    async with client_of(replica) as client:
        canister = await new_voucher(client)
        await vouch(client, canister, cdn, version, expression=expression)
        release = await obtain(cdn, tmp_path, canister=canister, root_key=replica.root_key)
    assert f"certificate: canister {canister} vouches for it" in release.proofs


@pytest.mark.parametrize(("version", "expression"), CASES[:2])
@pytest.mark.parametrize(
    "wrong", [{"body": b"another"}, {"path": "/releases/satellite-v0.0.9.wasm.gz"}], ids=str
)
async def test_a_certificate_for_something_else_is_refused(
    replica, cdn, tmp_path, version, expression, wrong
):
    async with client_of(replica) as client:
        canister = await new_voucher(client)
        await vouch(client, canister, cdn, version, expression=expression, **wrong)
        options = {"canister": canister, "root_key": replica.root_key}
        error = await refused(TrustError, cdn, tmp_path, **options)
    assert error.code == "release-certificate"


async def test_a_certificate_of_another_canister_or_network_is_refused(replica, cdn, tmp_path):
    async with client_of(replica) as client:
        canister, other = await new_voucher(client), await new_voucher(client)
        await vouch(client, canister, cdn, 2)
        options = {"canister": other, "root_key": replica.root_key}
        error = await refused(TrustError, cdn, tmp_path, **options)
        assert error.code in {"release-certificate", "certificate-pruned"}
        with run_replica(ReplicaOptions(seed="another network")) as elsewhere:
            options = {"canister": canister, "root_key": elsewhere.root_key}
            error = await refused(TrustError, cdn, tmp_path, **options)
        assert error.code == "certificate-signature"


@pytest.mark.parametrize(
    "text",
    ["certificate=:AQ==:, tree=:AQ==:", "certificate=:%%:, tree=:AQ==:", "tree=:AQ==:", "nonsense"],
)
async def test_a_header_that_is_no_certificate_is_refused(replica, cdn, tmp_path, text):
    cdn.page(ROLE, "0.1.0").headers = {"IC-Certificate": text}
    async with client_of(replica) as client:
        canister = await new_voucher(client)
    await refused(TrustError, cdn, tmp_path, canister=canister, root_key=replica.root_key)


async def test_a_canister_that_only_the_answer_names_is_said_to_be_that(replica, cdn, tmp_path):
    async with client_of(replica) as client:
        canister = await new_voucher(client)
        await vouch(client, canister, cdn, 1)
        release = await obtain(cdn, tmp_path, root_key=replica.root_key)
        assert "certificate: which canister answers is not known" in release.proofs
        cdn.page(ROLE, "0.1.0").headers["x-ic-canister-id"] = str(canister)
        (tmp_path / "other").mkdir()
        release = await obtain(cdn, tmp_path / "other", root_key=replica.root_key)
        assert f"canister {canister}, as the answer names it, vouches" in release.proofs[1]


async def test_headers_that_were_changed_on_the_way_make_it_unverifiable_not_wrong(
    replica, cdn, tmp_path
):
    async with client_of(replica) as client:
        canister = await new_voucher(client)
        await vouch(client, canister, cdn, 2, expression=EXCLUDING)
        cdn.page(ROLE, "0.1.0").headers["x-served-by"] = "a proxy"
        release = await obtain(cdn, tmp_path, canister=canister, root_key=replica.root_key)
    assert "headers were changed on the way" in release.proofs[1]
