"""Counts its own runs. Try: juno-snap flow run config/flows/iteration.py:flow."""

import json

from juno_snap import Flow

flow = Flow("iteration")


@flow.step("count")
def process_trigger(msg, cfg, snapshot, ctx):
    print("Message", json.dumps(msg))
    print("Config", json.dumps(cfg))
    print("Snapshot", json.dumps(snapshot))

    snapshot["iteration"] = snapshot.get("iteration", 0)
    print("Iteration:", snapshot["iteration"])
    snapshot["iteration"] += 1

    ctx.emit("snapshot", snapshot)
    ctx.emit("data", {"iteration": snapshot["iteration"]})
