"""Lists of backups, and which of them may go."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.backup.catalogue import list_backups, plan_pruning, prune, remove_backup
from juno_snap.backup.convert import convert_backup
from juno_snap.backup.layout import FILES, MANIFEST, SLICES
from juno_snap.backup.retention import Candidate, Rules, judge
from juno_snap.backup.verify import verify_backup
from juno_snap.backup.writer import BackupWriter
from juno_snap.errors import BackupError, InputError, NotFoundError
from juno_snap.ids import Principal
from juno_snap.units import NS_PER_SECOND
from tests.unit.backup.snapshots import MODULE, content, snapshot, write

OTHER_MODULE = Principal.parse("ryjl3-tyaaa-aaaaa-aaaba-cai")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)  # a Saturday


def ns(at: datetime) -> int:
    return int(at.timestamp()) * NS_PER_SECOND


def candidates(*moments, **changes):
    return [
        Candidate(path=Path(f"{at:%Y-%m-%dT%H}"), group="m", taken_at_ns=ns(at), **changes)
        for at in moments
    ]


def kept(found, rules):
    return {v.candidate.path.name: set(v.reasons) for v in judge(found, rules) if v.stays}


def test_the_last_are_kept():
    found = candidates(*(NOON - timedelta(hours=n) for n in range(5)))
    assert kept(found, Rules(last=2)) == {"2026-11-21T12": {"last"}, "2026-11-21T11": {"last"}}


def test_of_a_day_a_week_and_a_month_the_newest_is_kept():
    found = candidates(*(NOON - timedelta(hours=8 * n) for n in range(6 * 31)))
    stays = kept(found, Rules(daily=2, weekly=3, monthly=2))
    assert stays == {
        "2026-11-21T12": {"daily", "weekly", "monthly"},
        "2026-11-20T20": {"daily"},
        "2026-11-15T20": {"weekly"},
        "2026-11-08T20": {"weekly"},
        "2026-10-31T20": {"monthly"},
    }


def test_days_without_a_backup_do_not_count():
    found = candidates(NOON, NOON - timedelta(days=40), NOON - timedelta(days=400))
    assert len(kept(found, Rules(daily=3))) == 3


def test_the_turn_of_the_year_belongs_to_one_week_and_two_months():
    found = candidates(datetime(2025, 12, 31, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
    assert set(kept(found, Rules(weekly=5))) == {"2026-01-01T00"}
    assert len(kept(found, Rules(monthly=5))) == 2


def test_each_module_is_for_itself_and_what_is_pinned_does_not_count():
    first, second = candidates(NOON, NOON - timedelta(hours=1))
    (other,) = candidates(NOON - timedelta(days=9))
    pinned = replace(first, path=Path("pinned"), pinned="label")
    found = [pinned, first, second, replace(other, group="n")]
    assert kept(found, Rules(last=1)) == {
        "pinned": {"label"}, "2026-11-21T12": {"last"}, "2026-11-12T12": {"last"},
    }  # fmt: skip


COUNTS = st.integers(0, 4)


@given(
    st.lists(st.integers(0, 400 * 24), unique=True, min_size=1, max_size=40),
    st.builds(Rules, last=COUNTS, daily=COUNTS, weekly=COUNTS, monthly=COUNTS),
)
def test_laws_of_retention(hours, rules):
    found = candidates(*(NOON - timedelta(hours=each) for each in hours))
    stays = kept(found, rules)
    assert len(stays) <= rules.last + rules.daily + rules.weekly + rules.monthly
    assert len(stays) >= min(rules.last, len(found))
    newest = max(found, key=lambda each: each.taken_at_ns).path.name
    assert (newest in stays) == rules.says_something
    left = [each for each in found if each.path.name in stays]
    assert set(kept(left, rules)) == set(stays)


@pytest.fixture
def root(tmp_path):
    """Three backups of one module, a day apart, a labelled, a protected and a foreign one."""
    folder = tmp_path / "root"
    day_ns = 86_400 * NS_PER_SECOND
    for number in range(3):
        taken = ns(NOON) + number * day_ns
        write(folder / str(MODULE) / f"day-{number}", snapshot(taken_at_ns=taken))
    write(folder / "labelled", snapshot(label="v1", taken_at_ns=1))
    write(folder / "protected", snapshot(is_protected=True, taken_at_ns=2))
    write(folder / "other", snapshot(module=b"\0asm2", taken_at_ns=3))
    other = snapshot(taken_at_ns=4)
    other = replace(other, description=replace(other.description, module=OTHER_MODULE))
    write(folder / str(OTHER_MODULE) / "only", other)
    convert_backup(folder / "other", folder / "foreign" / "juno", to="juno")
    convert_backup(folder / "other", folder / "foreign" / "icp", to="icp")
    remove_backup(folder / "other")
    return folder


def names(paths, root):
    return [path.relative_to(root).as_posix() for path in paths]


def test_all_backups_are_found_the_newest_first(root):
    found = list_backups(root)
    assert names([each.path for each in found], root) == [
        f"{MODULE}/day-2", f"{MODULE}/day-1", f"{MODULE}/day-0", f"{OTHER_MODULE}/only",
        "foreign/icp", "foreign/juno", "protected", "labelled",
    ]  # fmt: skip
    assert {each.state for each in found} == {"complete"}
    assert [each.layout for each in found[4:6]] == ["icp", "juno"]
    assert list_backups(found[0].path) == (found[0],)
    assert found[0].total_size_bytes > 131_072


def test_what_is_unfinished_or_damaged_is_listed_and_never_goes(root):
    with BackupWriter(root / "half", snapshot(taken_at_ns=7).description):
        pass
    (root / str(MODULE) / "day-1" / FILES["wasm_memory"]).write_bytes(b"")
    (root / str(MODULE) / "day-0" / MANIFEST).write_bytes(b"{}")
    found = {each.path.name: each for each in list_backups(root)}
    assert (found["half"].state, found["half"].description.module) == ("unfinished", MODULE)
    assert [found[f"day-{number}"].state for number in (0, 1)] == ["damaged", "damaged"]
    assert FILES["wasm_memory"] in found["day-1"].problem
    going = plan_pruning(root, Rules(last=1)).going
    assert going == ()


def test_other_folders_are_no_backups(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "metadata.json").write_text("{}", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path)
    assert list_backups(tmp_path) == ()
    with pytest.raises(NotFoundError):
        list_backups(tmp_path / "nowhere")


def test_pruning_removes_what_no_rule_keeps(root):
    pruning = plan_pruning(root, Rules(last=1))
    assert names(pruning.going, root) == [f"{MODULE}/day-1", f"{MODULE}/day-0"]
    assert pruning.freed_bytes == sum(pruning.sizes[path] for path in pruning.going)
    assert prune(pruning) == ()
    assert not any(path.exists() for path in pruning.going)
    assert plan_pruning(root, Rules(last=1)).going == ()


def test_a_log_that_a_kill_left_behind_is_no_file_of_others(root):
    (root / str(MODULE) / "day-0" / SLICES).write_bytes(b"wasm_module 0 00000000\n")
    assert verify_backup(root / str(MODULE) / "day-0").remarks == ()
    assert prune(plan_pruning(root, Rules(last=1))) == ()


def test_nothing_goes_when_what_would_stay_is_not_sound(root):
    memory = root / str(MODULE) / "day-2" / FILES["wasm_memory"]
    memory.write_bytes(bytes(memory.stat().st_size))
    before = content(root)
    with pytest.raises(BackupError):
        prune(plan_pruning(root, Rules(last=1)))
    assert content(root) == before


def test_rules_that_keep_nothing_are_no_rules(root):
    with pytest.raises(InputError):
        plan_pruning(root, Rules())


def test_files_of_others_stay_where_a_backup_goes(root):
    going = root / str(MODULE) / "day-0"
    (going / "notes.txt").write_text("mine", encoding="utf-8")
    pruning = plan_pruning(root, Rules(last=2))
    assert prune(pruning) == (going,)
    assert content(going) == {"notes.txt": b"mine"}
    with pytest.raises(BackupError):
        remove_backup(going)
