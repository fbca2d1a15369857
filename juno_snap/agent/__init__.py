"""One replica or boundary node, talked to safely.

In here: transport, retries of the same signed bytes, identities, root keys, calls with certified
outcomes, certified reads, verified queries. Not in here: what a call means. Everything above
``wire`` may import it, but for the local replica.
"""
