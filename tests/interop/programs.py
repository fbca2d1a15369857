"""Node programs of ``clients/``, run with the owner's key."""

import json

from tests.interop.store import SEED
from tests.motoko import require_npm_packages, run_node


def run_program(name, replica, **task):
    """What ``clients/{name}.mjs`` answers to ``task``."""
    require_npm_packages()
    common = {"url": replica.url, "root_key": replica.root_key.hex(), "seed": SEED.hex()}
    told = json.dumps({**common, **task}, default=str)
    ran = run_node(["node", f"clients/{name}.mjs"], task=told)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)
