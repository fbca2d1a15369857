"""Downloaded releases on disk."""

import hashlib

from juno_snap.juno.releases.cache import Partial, ReleaseCache

DATA = b"\x00asm and so on"
DIGEST = hashlib.sha256(DATA).digest()


def files(folder):
    return sorted((folder / "releases").iterdir())


def test_what_is_kept_is_found_by_its_hash_and_private(tmp_path):
    cache = ReleaseCache(tmp_path)
    assert cache.find(DIGEST) is None
    cache.keep(DATA)
    assert cache.find(DIGEST) == DATA
    (file,) = files(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_has_changed_is_not_used_and_goes(tmp_path):
    cache = ReleaseCache(tmp_path)
    cache.keep(DATA)
    files(tmp_path)[0].write_bytes(DATA + b"!")
    assert cache.find(DIGEST) is None
    assert files(tmp_path) == []


def test_the_beginning_of_a_file_is_kept_with_the_mark_of_the_whole(tmp_path):
    cache = ReleaseCache(tmp_path)
    cache.keep_partial("http://cdn/file", Partial(data=DATA[:4], etag='"one"'))
    assert cache.partial("http://cdn/file") == Partial(data=DATA[:4], etag='"one"')
    assert cache.partial("http://cdn/other") is None
    cache.drop_partial("http://cdn/file")
    assert cache.partial("http://cdn/file") is None
    assert files(tmp_path) == []
