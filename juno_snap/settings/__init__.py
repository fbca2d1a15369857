"""What a person configures: files, environment variables, and where state lives.

In here: the schema of ``juno-snap.toml``, its sources and their order, the networks. The domain
never sees this package; ``cli`` turns it into the options of the code that it steers.
"""
