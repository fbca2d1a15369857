"""What is done to a module, and how things stand when it was done, whatever came in between."""

from collections import Counter
from dataclasses import dataclass, field, replace

from juno_snap.management.candid_call import call_with_text
from juno_snap.management.types import Reinstall
from juno_snap.wire.candid import parse_arguments
from tests.crash.crash_world import Place
from tests.integration.management_world import OWNER
from tests.integration.pipeline_world import V2, grown
from tests.juno.modules import install_argument, module
from tests.juno.world import LISTS, entries_of, settings_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Story:
    """One command line. ``prepare`` makes what it needs; ``left`` is what has to be there then."""

    name: str
    prepare: object
    """Called with the place; gives the words of the command."""
    outcome: str
    left: dict
    """What ``look`` shows, without the controllers."""
    purposes: tuple
    """What the module's snapshots are for, of those that were taken for the story too; sorted."""
    executed: Counter
    """How often which change is made."""
    code: int = 0
    """The exit code of the command, and of whoever brings it to its end."""
    most: Counter = field(default_factory=Counter)
    """What may be done more often where it was interrupted."""
    given_up: tuple = ()
    """Outcomes after which it is done again."""
    look: object = Place.look
    """Called with the place; gives everything that the operation is about."""

    def __str__(self):
        return self.name


def upgrade_words(place, wasm, *more):
    file = place.folder / "new.wasm"
    file.write_bytes(wasm)
    return ("upgrade", "--module", place.module, "--src", file, *more)


async def never_upgraded(place):
    return upgrade_words(place, V2)


async def upgraded_before(place):
    """The snapshot of an earlier upgrade is given up by the next one."""
    await place.ask(*upgrade_words(place, V2))
    return upgrade_words(place, grown(V2, 0.1))


async def large(place):
    """So large that it goes through the chunk store."""
    return upgrade_words(place, grown(V2, 2.5))


CHECK = 'version() == "0.3.0"'


async def wrong(place):
    """A release that does not say what it should, so that it is gone back on."""
    return upgrade_words(place, V2, "--check", CHECK, "--health-timeout-seconds", 1)


async def restore(place):
    done = await place.ask(*upgrade_words(place, V2))
    await place.write("later", "written after the upgrade")
    return ("snapshot", "restore", done["snapshot"], "--module", place.module, "--yes")


async def rollback(place):
    await restore(place)
    return ("rollback", "--module", place.module, "--yes")


async def create(place):
    return ("snapshot", "create", "--module", place.module)


async def said(place, method, argument, *, query=True):
    """What the module replies, as text."""
    reply = await call_with_text(
        place.client.agent, place.module, method.strip(), argument, query=query
    )
    return reply.text


async def settings(place):
    """All that the satellite was told, and who controls it."""
    told = {
        method: entries_of(method, await said(place, method, argument))
        for method, argument in LISTS["satellite"]
    }
    status = await place.client.canister_status(place.module)
    return {**told, "controllers": sorted(map(str, status.settings.controllers))}


async def reset(place):
    """A satellite with access keys, domains and configuration, of which all is wiped."""
    first = install_argument("satellite", OWNER.principal, memory="variant { Stable }")
    wasm = module("satellite", "0.1.0")
    await place.client.install_code(place.module, Reinstall(), wasm, parse_arguments(first))
    for method, argument in settings_of("satellite"):
        await said(place, method, argument, query=False)
    place.before = await settings(place)
    return upgrade_words(place, module("satellite", "0.1.1"), "--reset", "--yes")


async def look_at_satellite(place):
    """Its status, its release, its data, and what of its settings is not as it was."""
    status = await place.client.canister_status(place.module)
    sections = await place.client.metadata_sections(place.module, ["juno:package"])
    now = await settings(place)
    return {
        "status": status.status,
        "is new": b'"0.1.1"' in sections["juno:package"],
        "document": await said(place, "get_doc", '("notes", "one")'),
        "changed": {
            method: entries for method, entries in now.items() if place.before[method] != entries
        },
        "controllers": [str(each) for each in status.settings.controllers],
    }


HELLO = {"greeting": "hello"}
NEW = {"status": "running", "version": "0.2.0", "documents": HELLO}
OLD = {"status": "running", "version": "0.1.0", "documents": HELLO}
TAKE, INSTALL = "take_canister_snapshot", "install_code"
LOAD, DELETE = "load_canister_snapshot", "delete_canister_snapshot"

UPGRADE = Story(
    name="upgrade",
    prepare=never_upgraded,
    outcome="upgraded",
    left=NEW,
    purposes=("upgrade",),
    executed=Counter({TAKE: 1, INSTALL: 1}),
)
SECOND = Story(
    name="second upgrade",
    prepare=upgraded_before,
    outcome="upgraded",
    left=NEW,
    purposes=("upgrade",),
    executed=Counter({TAKE: 1, INSTALL: 1, DELETE: 1}),
    most=Counter({DELETE: 2}),  # deleting what is gone is refused, and does no harm
)
LARGE = Story(
    name="large upgrade",
    prepare=large,
    outcome="upgraded",
    left=NEW,
    purposes=("upgrade",),
    executed=Counter({TAKE: 1, "install_chunked_code": 1}),
)
WRONG = Story(
    name="bad release",
    prepare=wrong,
    outcome="rolled-back",
    left=OLD,
    purposes=("safety", "upgrade"),
    executed=Counter({TAKE: 2, INSTALL: 1, LOAD: 1}),
    code=15,
)
RESTORE = Story(
    name="restore",
    prepare=restore,
    outcome="restored",
    left=OLD,
    purposes=("safety", "upgrade"),
    executed=Counter({TAKE: 1, LOAD: 1}),
)
ROLLBACK = Story(
    name="rollback",
    prepare=rollback,
    outcome="restored",
    left=OLD,
    purposes=("safety", "upgrade"),
    executed=Counter({TAKE: 1, LOAD: 1}),
)
CREATE = Story(
    name="snapshot",
    prepare=create,
    outcome="taken",
    left=OLD,
    purposes=("user",),
    executed=Counter({TAKE: 1}),
)
RESET = Story(
    name="reset",
    prepare=reset,
    outcome="upgraded",
    left={"status": "running", "is new": True, "document": "(null)", "changed": {}},
    purposes=("upgrade",),
    executed=Counter({TAKE: 1, INSTALL: 1}),
    look=look_at_satellite,
)
INTERRUPTED = replace(UPGRADE, most=Counter({TAKE: 1}), given_up=("interrupted",))
"""An upgrade that may have been given up in order and begun anew."""

STORIES = (UPGRADE, SECOND, LARGE, WRONG, RESTORE, ROLLBACK, CREATE, RESET)
