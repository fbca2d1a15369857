"""The local replica: a server that executes real Wasm and signs real certificates.

It shares nothing with the client but the base modules and ``wire``: each side checks the other.
"""
