"""The management canister (``aaaaa-aa``), typed: one function a method, a dataclass a record.

In here: Candid types and their translation, the network's limits that are known before sending,
and what anyone may read of a canister in the certified state. Not in here: order, policy, waiting,
retries of an operation.
May be imported by ``juno``, ``pipeline``, ``console`` and ``cli``; it imports the base modules,
``wire`` and ``agent``.

Making a call (``ManagementCall``: method, argument, where to send it) is apart from sending it, so
that a journal can write the signed call down in between (``ManagementClient.prepare``).

Decisions. Replies are read leniently: a field that some networks lack is None there. Whatever
differs between networks in a refusal is left to whoever reads its error code.
"""
