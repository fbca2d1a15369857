"""The platform's bytes, and nothing else: pure functions from bytes to values and back.

In here: CBOR, Candid, request ids, envelopes, hash trees, certificates, signatures. Not in here:
sockets, files, clocks, retries; whoever calls passes the time in. Client and local replica share
this package and nothing above it, which is why it is tested against vectors from elsewhere.
"""
