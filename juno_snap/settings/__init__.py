"""What a person configures: files, environment variables, and where state lives.

In here: the schema of ``juno-snap.toml``, its sources and their order, the networks, the names in
the state directory. The domain never sees this package; ``cli`` turns it into the options of the
code that it steers. Base modules only; nothing but ``cli`` imports it.

Two levels: ``schema`` is what may be written (pydantic, strict, nothing unknown), ``model`` is what
leaves the package (frozen, complete). Each source is validated alone, so that an error names the
file or variable it stands in, and then laid over the earlier ones, so that each value keeps its
origin. That is why pydantic-settings is not used: it merges before it validates, keeps no origin,
and adds about 60 ms to the start of every command.
"""
