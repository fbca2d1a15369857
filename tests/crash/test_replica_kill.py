"""kill -9 at any moment: the replica starts from a whole checkpoint, and keeps what it promised."""

import pytest

from tests.chance import Chance
from tests.crash.killed_replica import Killed


def live(directory, *, seed, kills):
    """As many lives as there are kills, and one more to look at what is left."""
    chance = Chance(seed)
    killed = Killed(directory, chance)
    for _ in range(kills):
        killed.life(kill_after_seconds=0.02 + chance.below(700) / 1000)
    killed.life(kill_after_seconds=None)
    return killed


def test_what_was_acknowledged_survives_ten_kills(tmp_path):
    killed = live(tmp_path / "replica", seed=3, kills=10)
    assert killed.acknowledged > 10
    assert sum(killed.settled_by.values()) > 0


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(100, 110))
def test_what_was_acknowledged_survives_any_number_of_kills(tmp_path, seed):
    live(tmp_path / "replica", seed=seed, kills=40)
