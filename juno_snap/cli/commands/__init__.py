"""One file for each command or group; imported only when the command line names it.

Each has ``register(app, name, line)``: adds itself to typer's ``app`` under ``name``, with ``line``
as its one-line help.
"""
