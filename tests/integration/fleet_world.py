"""Fleet files, modules for them on the replica of the command line, and what was done to each."""

import json
from collections import Counter

from tests.integration.cli_world import ask


def make_modules(wasm, count, *, first=1):
    """So many modules, named m1 and so on; their ids."""
    return [
        ask("module", "create", "--name", f"m{number}", "--wasm", wasm)["module"]
        for number in range(first, first + count)
    ]


def write_fleet(folder, modules, *, head="", waves="", upgrade="", backup="", extra=None):
    """A fleet file that names these modules; ``extra`` are lines for one of them."""
    tables = [
        f'[fleet]\nname = "shops"\n{head}',
        f"[waves]\n{waves}",
        f"[upgrade]\n{upgrade}",
        f"[backup]\n{backup}",
    ]
    extra = extra or {}
    tables += [f'[[modules]]\nmodule = "{each}"\n{extra.get(each, "")}' for each in modules]
    file = folder / "fleet.toml"
    file.write_text("\n".join(tables), encoding="utf-8")
    return file


def done_to(log, modules, *, after=0):
    """How often each method was carried out on each module, from a line of the log on."""
    counted, seen = {module: Counter() for module in modules}, set()
    for line in log.read_text(encoding="utf-8").splitlines()[after:]:
        record = json.loads(line)
        module, request = record.get("effective_canister"), record.get("request_id")
        if record["kind"] == "call" and module in counted and record["round"] is not None:
            counted[module][record["method"]] += request not in seen
            seen.add(request)
    return counted


def outcomes(report):
    """How the modules of a report ended, by name."""
    return {each["name"]: each["outcome"] for each in report["modules"]}
