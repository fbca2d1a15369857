"""Where a redirect of a download may lead."""

import httpx
import pytest

from juno_snap.errors import TrustError
from juno_snap.juno.releases.http import _redirected

CDN = "https://cdn.juno.build/releases/satellite-v0.1.0.wasm.gz"
GITHUB = "https://github.com/junobuild/juno/releases/download/v0.0.55/checksums.txt"


def redirected(url, location):
    answer = httpx.Response(302, headers={"Location": location}, request=httpx.Request("GET", url))
    return _redirected(url, answer)


@pytest.mark.parametrize(
    ("url", "location", "place"),
    [
        pytest.param(CDN, "/other.gz", "https://cdn.juno.build/other.gz", id="a path"),
        pytest.param(
            CDN, "https://CDN.juno.build/x", "https://cdn.juno.build/x", id="the same host"
        ),
        pytest.param(
            GITHUB,
            "https://release-assets.githubusercontent.com/x?sp=r",
            "https://release-assets.githubusercontent.com/x?sp=r",
            id="where GitHub keeps files",
        ),
        pytest.param(
            "http://cdn.example/x", "https://cdn.example/x", "https://cdn.example/x", id="to TLS"
        ),
    ],
)
def test_a_redirect_may_stay_where_it_is(url, location, place):
    assert redirected(url, location) == place


@pytest.mark.parametrize(
    ("url", "location"),
    [
        pytest.param(CDN, "https://evil.example/x", id="another host"),
        pytest.param(CDN, "//evil.example/x", id="another host, same scheme"),
        pytest.param(CDN, "https://juno.build/releases/x", id="the domain above"),
        pytest.param(CDN, "https://cdn.juno.build.evil.example/x", id="a name that begins so"),
        pytest.param(CDN, "https://cdn.juno.build@evil.example/x", id="the host as a user"),
        pytest.param(CDN, "https://cdn.juno.build:8443/x", id="another port"),
        pytest.param(CDN, "http://cdn.juno.build/x", id="without TLS"),
        pytest.param(CDN, "file:///etc/passwd", id="a file"),
        pytest.param(
            CDN, "https://release-assets.githubusercontent.com/x", id="GitHub's, not here"
        ),
        pytest.param(GITHUB, "https://raw.githubusercontent.com/x", id="what anybody can write"),
        pytest.param(GITHUB, "http://release-assets.githubusercontent.com/x", id="GitHub, no TLS"),
    ],
)
def test_a_redirect_elsewhere_is_refused(url, location):
    with pytest.raises(TrustError) as caught:
        redirected(url, location)
    assert caught.value.code == "redirect-elsewhere"
