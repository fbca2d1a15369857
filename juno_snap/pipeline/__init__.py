"""Operations on a module in their right order: observe, plan, act, verify, tidy.

In here: upgrade, snapshot create, restore, delete. Not in here: a terminal, a network protocol,
configuration files. ``cli``, ``console`` and ``flow`` may import it.

Planning is pure and its result is data, so that ``--dry-run``, a question to a person and the run
itself see the same plan. ``runner.Steps`` begins and ends every step; ``downtime.Downtime`` owns
the promise that a sent stop is followed by a start. Decisions:

* A snapshot that a person names for replacement is given up only after verification, as long as a
  slot and the cycles allow two; otherwise by the network's atomic replace.
* A failed operation raises, and its error carries the report; a cancelled one too.
* Chunks of a Wasm that the network refused for good are removed, those of a run that may be
  repeated stay.
* The estimate of cycles refuses, since the network would do so with the module down; ``--force``
  lifts it, because prices change.
"""
