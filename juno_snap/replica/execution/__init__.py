"""Runs a canister's code: installs, upgrades, calls, callbacks and queries, all or nothing each.

Every function here expects to be the only one that runs in the process at that moment; the replica
has one executor thread. Errors are rejects with the network's codes and texts.
"""

from juno_snap.replica.execution.callbacks import Callbacks, run_callback
from juno_snap.replica.execution.calls import (
    SystemTask,
    inspect_message,
    run_query,
    run_system_task,
    run_update,
)
from juno_snap.replica.execution.code import GlobalValue, InstalledCode
from juno_snap.replica.execution.install import compile_module, install, upgrade
from juno_snap.replica.execution.run import Limits, Outcome
from juno_snap.replica.system_api.session import Environment, Message

__all__ = [
    "Callbacks",
    "Environment",
    "GlobalValue",
    "InstalledCode",
    "Limits",
    "Message",
    "Outcome",
    "SystemTask",
    "compile_module",
    "inspect_message",
    "install",
    "run_callback",
    "run_query",
    "run_system_task",
    "run_update",
    "upgrade",
]
