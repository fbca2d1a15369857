"""The pytest fixture ``local_replica``; installing juno-snap registers it.

pytest imports this in every project of the environment, so it imports nothing until it is used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from juno_snap.testing import LocalReplica


@pytest.fixture
def local_replica() -> Iterator["LocalReplica"]:
    """A local replica of this test's own; see ``juno_snap.testing.LocalReplica``."""
    from juno_snap.testing import run_local_replica

    with run_local_replica() as replica:
        yield replica
