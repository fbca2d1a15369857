"""Flows: components run as steps, each with a step snapshot, stopped and started at any moment.

In here: what a flow is, how it is run, and the file in which its step snapshots, runs and units of
work stand. Not in here: module snapshots (``pipeline``), and whoever asks (``cli``, ``console``).
``library``, ``console`` and ``cli`` may import it.

Decisions. Two kinds of state are kept apart. A *step snapshot* is a marker of at most 5,120 bytes,
one per step and flow; it outlives runs. A *unit* is one message on its way through one step of one
run: what the step before has emitted, and how often it was tried. A unit is the place for progress
that does not fit into a marker.

A step snapshot and the data that were emitted before it are written in one transaction. So a step
that is killed goes on from its marker, and what it had emitted up to there has neither to be
emitted again nor is it there twice. What it emitted after its last marker, which is held in memory,
it emits anew. No engine
makes effects elsewhere happen exactly once: a step looks at the world before it acts again.

Writes carry the run's fence, the flow's epoch and a sequence. A run that was taken over, a value
from before a reset, and an older value do nothing. The operating system's lock decides who runs;
fence and lease columns are there for a database that several machines share.

``fleet*`` is a flow of our own: many modules, each a unit, worked on by ``pipeline``. It looks into
``backup`` only to verify a copy that an earlier life of the same run has finished.
"""

from typing import Final

FLOWS_FILE: Final = "flows.sqlite"
"""Its name in the state directory."""
