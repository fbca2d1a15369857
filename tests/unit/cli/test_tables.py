"""What people see of a document."""

import io

from rich.console import Console

from juno_snap.cli.tables import facts_of


def shown(document):
    console = Console(file=io.StringIO(), width=80)
    console.print(facts_of(document))
    return [line.rstrip().split(maxsplit=1) for line in console.file.getvalue().splitlines()]


def test_names_are_words_and_sizes_have_units():
    document = {"schema": 1, "module": "abc", "total_size_bytes": 3 * 2**20, "sent": 7}
    assert shown(document) == [["module", "abc"], ["total", "size  3.0 MiB"], ["sent", "7"]]


def test_a_list_has_a_line_for_each():
    document = {"remarks": ["one, two", "three"], "replaced": []}
    assert shown(document) == [["remark", "one, two"], ["remark", "three"]]


def test_what_is_not_known_is_a_dash():
    document = {"safety_snapshot": None, "size_bytes": None, "sound": True}
    assert shown(document) == [["safety", "snapshot  -"], ["size", "-"], ["sound", "yes"]]
