"""Texts for people."""

import pytest

from juno_snap.cli.words import age


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "less than a minute ago"),
        (0, "less than a minute ago"),
        (59, "less than a minute ago"),
        (60, "1 minute ago"),
        (7_199, "1 hour ago"),
        (7_200, "2 hours ago"),
        (86_400, "1 day ago"),
        (8_640_000, "100 days ago"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(seconds, words):
    assert age(seconds) == words
