"""Safe snapshots and upgrades of Juno modules on the Internet Computer.

The packages import in one direction only; ``tests/architecture`` holds the table:
base modules, then ``wire``, ``agent``, ``management``, ``pipeline``, and ``cli`` on top.
``replica`` (the local replica) shares nothing but the base modules and ``wire`` with the rest.
"""

from juno_snap.version import __version__

__all__ = ["__version__"]
