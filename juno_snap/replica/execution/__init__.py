"""Runs a canister's code: installs, upgrades, calls and queries, each of them all or nothing.

Every function here expects to be the only one that runs in the process at that moment; the replica
has one executor thread. Errors are rejects with the network's codes and texts.
"""

from juno_snap.replica.execution.calls import inspect_message, run_query, run_update
from juno_snap.replica.execution.code import GlobalValue, InstalledCode
from juno_snap.replica.execution.install import compile_module, install, upgrade
from juno_snap.replica.execution.run import Limits, Outcome
from juno_snap.replica.system_api.session import Environment, Message

__all__ = [
    "Environment",
    "GlobalValue",
    "InstalledCode",
    "Limits",
    "Message",
    "Outcome",
    "compile_module",
    "inspect_message",
    "install",
    "run_query",
    "run_update",
    "upgrade",
]
