"""What tests of flows begin with."""

from juno_snap.flow.beginning import NewRun
from juno_snap.flow.edits import Editor
from juno_snap.flow.model import Write

EDITOR = Editor(name="a person", at_ns=50)


def new_run(name="f", steps=("a", "b"), **said):
    values = {"source": "", "owner": "pid 1", "run": f"run of {name}", "at_ns": 1, **said}
    return NewRun(flow=name, steps=steps, **values)


def snapshot(step, body, sequence):
    return [Write(step=step, body=body, sequence=sequence)]


def bodies(store, name="f"):
    return {each.step: each.body for each in store.snapshots(name)}
