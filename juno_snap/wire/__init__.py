"""The bytes of the platform: CBOR, request ids, envelopes, hash trees, certificates, signatures.

In here: what both sides of the wire must agree on, as pure functions. Times are arguments. What a
peer sent and is malformed raises ``DecodeError``; what is well formed and cannot be trusted raises
``TrustError``.
Not in here: sockets, files, clocks, retries; keys that are stored anywhere; meaning of replies.
May be imported by ``agent``, ``management``, ``juno``, ``replica``, ``backup`` and ``settings``;
it imports the base modules only.

Decisions. One decoder for everything a peer sends (``cbor``): bounded in size and depth, without
tags that make cycles, large numbers or foreign objects. Fields that the specification does not
know are skipped in answers, because it allows new ones; in requests they are refused, because
the request id covers them.
"""
