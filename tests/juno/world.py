"""Juno's modules on a replica, through the command line."""

import re
from pathlib import Path

from tests.integration.cli_world import ask
from tests.juno.modules import Role, install_argument


def principal() -> str:
    """Who the command line acts for."""
    return str(ask("identity", "show")["principal"])


def create(
    folder: Path,
    role: Role,
    wasm: bytes,
    *,
    name: str | None = None,
    argument: str | None = None,
    memory: str | None = None,
) -> Path:
    """A module of that role, named like it, with the caller as its controller; returns ``folder``.

    ``-t`` finds it by that name. ``memory`` is the system memory of a satellite, a variant.
    """
    called = name or role
    file = folder / f"{called}.wasm"
    file.write_bytes(wasm)
    ask("module", "create", "--name", called)  # makes the identity where there is none
    said = argument or install_argument(role, principal(), memory=memory)
    ask("module", "install", "--module", called, "--wasm", file, "--arg", said)
    return folder


CI_KEY = "rrkah-fqaaa-aaaaa-aaaaq-cai"
PARTNER = "ryjl3-tyaaa-aaaaa-aaaba-cai"
SATELLITE = "r7inp-6aaaa-aaaaa-aaabq-cai"


def settings_of(role: Role) -> list[tuple[str, str]]:
    """Calls that tell a fresh module something of every kind, and give a satellite a document."""
    keys = [
        ("set_controllers", _key(CI_KEY, "Write", "ci")),
        ("set_controllers", _key(PARTNER, "Admin", "partner")),
    ]
    return [*keys, *(ORBITER if role == "orbiter" else DOMAINS + CONFIGURATION)]


DOMAINS = [
    ("set_custom_domain", '("example.com", opt "bn")'),
    ("set_custom_domain", '("www.example.com", null)'),
    ("set_custom_domain", '("www.example.com", null)'),  # so that it has a second version
]
SIZES = "max_memory_size = opt record { heap = opt (1_000_000 : nat64) }"
HEADERS = 'vec { record { "*"; vec { record { "x-a"; "1" }; record { "x-b"; "2" } } } }'
AUTHENTICATION = f"""(record {{
    internet_identity = opt record {{ derivation_origin = opt "https://a.b" }};
    rules = opt record {{ allowed_callers = vec {{ principal "{PARTNER}" }} }}
}})"""
STORAGE = f"""(record {{
    rewrites = vec {{ record {{ "/a"; "/b" }} }}; headers = {HEADERS}; {SIZES};
    iframe = opt variant {{ SameOrigin }}
}})"""
NOTES = """(variant { Db }, "notes", record {
    read = variant { Public }; write = variant { Managed }; max_changes_per_user = opt (7 : nat32)
})"""
IMAGES = """(variant { Storage }, "images", record {
    read = variant { Private }; write = variant { Private }; memory = opt variant { Stable }
})"""
CONFIGURATION = [
    ("set_db_config", f"(record {{ {SIZES} }})"),
    ("set_auth_config", AUTHENTICATION),
    ("set_storage_config", STORAGE),
    ("set_rule", NOTES),
    ("set_rule", IMAGES),
    ("set_doc", '("notes", "one", record { data = blob "hello" })'),
]
FEATURES = "record { performance_metrics = true; track_events = false; page_views = true }"
CONFIG = f'record {{ features = opt {FEATURES}; restricted_origin = opt "https://a.b" }}'
ORBITER = [
    ("set_satellite_configs", f'(vec {{ record {{ principal "{SATELLITE}"; {CONFIG} }} }})'),
]


def _key(who: str, scope: str, profile: str) -> str:
    expires = "opt (4_000_000_000_000_000_000 : nat64)" if scope == "Write" else "null"
    return f"""(record {{
        controllers = vec {{ principal "{who}" }};
        controller = record {{
            metadata = vec {{ record {{ "profile"; "{profile}" }} }};
            scope = variant {{ {scope} }}; expires_at = {expires}
        }}
    }})"""


LISTS = {
    "orbiter": [("list_controllers", "()"), ("list_satellite_configs", "()")],
    "satellite": [
        ("list_controllers", "()"),
        ("list_custom_domains", "()"),
        ("get_auth_config", "()"),
        ("get_db_config", "()"),
        ("get_storage_config", "()"),
        ("get_rule", '(variant { Storage }, "#dapp")'),
        ("list_rules", "(variant { Db }, record {})"),
        ("list_rules ", "(variant { Storage }, record {})"),
    ],
}
_STAMPS = re.compile(
    r"(created_at|updated_at|version) = (opt )?(\([0-9_]+ : nat64\)|[0-9_]+ : nat64|null);? ?"
)


def call(name: str, method: str, argument: str = "()", *words: str) -> str:
    """What a method replies."""
    return str(ask("module", "call", method, argument, "--module", name, *words)["reply"])


def state_of(role: Role, name: str | None = None) -> dict[str, list[str]]:
    """All that a module was told, but for when and how often; in no order."""
    said = {
        method: call(name or role, method.strip(), argument, "--query")
        for method, argument in LISTS[role]
    }
    return {method: entries_of(method, reply) for method, reply in said.items()}


def entries_of(method: str, reply: str) -> list[str]:
    """The entries of a list without their stamps, in an order; anything else as it stands."""
    reply = _STAMPS.sub("", reply)
    if method == "list_controllers":
        entries = reply.split("record { principal")
    elif method.startswith("list_"):
        entries = reply.split('record { "')
    else:
        entries = [reply]
    return sorted(entry.strip("(); }") for entry in entries)
