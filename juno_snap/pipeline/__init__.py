"""Operations on a module in their right order, that survive whatever interrupts them.

In here: upgrade, snapshot create, restore, rollback, resume, delete; what they plan (``decide``,
``plan``, ``policy``, ``costs``), the user's checks and hooks, and the journal. Not in here: a
terminal, a network protocol, configuration files. ``cli``, ``library``, ``console`` and ``flow``
may import it.

How an operation is carried out: a plan, which is data, so that ``--dry-run``, a question to a
person and the run see the same; a ``Program``, what is left of the plan when all is decided; and a
loop (``run``) that asks the pure ``next_action`` what comes next, writes down what it is about to
do, does it, and writes down what happened. ``resume`` enters the same loop with the records that it
finds. Decisions:

* What is uploaded into the chunk store is not written down call by call: sending a chunk again does
  no harm, and a run that is taken up again asks what is there.
* A call whose answer is lost or cannot be believed is settled within the run: the module is started
  first, then the same bytes are sent again, and after their expiry the module's state is looked at.
  Where that works the upgrade goes on, in another round of stop, snapshot and install if need be.
* What a reset sets again are calls of one step, which is done again as a whole: setting is
  idempotent, and each call names the version that it is based on. It comes after the hash is
  verified, since unknown code is told nothing, and before the checks, which may ask for it.
  Its failure brings nothing back by itself: the new code is not bad, and a person may set the rest.
* A run that was cancelled and has left the old code and data is over, and the same command begins
  anew; one whose new code was not verified yet is not finished, and ``resume`` goes on.
* A snapshot that a person names for replacement is given up only after verification, as long as a
  slot and the cycles allow two; otherwise by the network's atomic replace.
* A failed operation raises, and its error carries the report; a cancelled one too.
* Chunks of a Wasm that the network refused for good are removed, those of a run that may be
  repeated stay.
* The estimate of cycles refuses, since the network would do so with the module down; ``--force``
  lifts it, because prices change.
* The version of a module is read from one node, which signs it, so that the time without the module
  has no further update call. It can end a run, and it can count; before a way back is relied on it
  has to be the same twice.
"""
