"""Health checks: whether a module that was just started does what it should.

A check is a call whose reply is known beforehand, the module's version, or a command. In here: what
a check is and what came of it (``model``), how a person writes one (``parse``), whether it can hold
on a new Wasm at all (``fit``), and asking until the answer is clear (``evaluate``). Not in here:
what follows from a bad check; that is the upgrade's.

A result is ok, bad, or not evaluated. Bad is a reason to throw away a release and what was written
to it, so it counts only where the network certified it, or where the person's own command said so;
the word of one node, silence, and whatever passes by itself are "not evaluated".

Decided here, where nobody else had:

* A query is believed when its answer is the expected one. Any other answer is asked again as an
  update call, which is certified; at 2, 8, 32, ... seconds and once at the end, because it costs
  the module cycles. A composite query cannot be asked so, and is never bad.
* A reject is bad only where the module's own code is the cause: it trapped, refused, ran out of
  instructions or memory, or has no such method. A module that is stopped, frozen or gone says
  nothing about its new code.
* The last word counts. What was bad and cannot be asked any more at the end is not evaluated.
* A command that cannot be executed, does not end in time, or is killed, says nothing of the module.
"""
