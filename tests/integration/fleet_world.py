"""Fleet files, modules for them on the replica of the command line, and what was done to each."""

import json
from collections import Counter

from tests.integration.cli_world import ask

COUNT_EACH = ("install_code", "take_canister_snapshot", "load_canister_snapshot")


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
    """Which calls that change something were carried out on each module, from a line of the log."""
    wanted, counted = set(modules), {module: Counter() for module in modules}
    for line in log.read_text(encoding="utf-8").splitlines()[after:]:
        record = json.loads(line)
        if record["kind"] == "call" and record.get("effective_canister") in wanted:
            counted[record["effective_canister"]][record["method"]] += 1
    return counted


def outcomes(report):
    """How the modules of a report ended, by name."""
    return {each["name"]: each["outcome"] for each in report["modules"]}
