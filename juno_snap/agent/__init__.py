"""One replica or boundary node, talked to safely.

In here: transport, retries of the same signed bytes, identities, root keys, calls with certified
outcomes, certified reads, verified queries. Not in here: what a call means. Everything above
``wire`` may import it, but for the local replica.

Decisions. One node's word (a reject before consensus, an HTTP refusal) ends a submission only while
nothing else of it can be on its way; an answer of 5xx counts as perhaps delivered, because gateways
say so after they have passed a request on; 429 does not. "Not executed" is concluded from absence
in certified state only where an executed call could not have been forgotten yet (``submission``).
A host that was never reached is given up after seconds, one that was after a minute (``retry``).
An answer is never trusted for being on time only, nor a clock for being the computer's own: where
they disagree the error names both (``certified_state``).
"""
