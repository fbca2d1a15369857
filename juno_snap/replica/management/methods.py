"""The table of the management canister's methods: types, who may call them, and how."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

from juno_snap.replica import candid_types as types
from juno_snap.replica.management.access import Access
from juno_snap.replica.management.call import Call
from juno_snap.replica.management.chunks import clear_chunk_store, stored_chunks, upload_chunk
from juno_snap.replica.management.for_canisters import (
    canister_info,
    canister_metadata,
    deposit_cycles,
    raw_rand,
)
from juno_snap.replica.management.install import install_chunked_code, install_code
from juno_snap.replica.management.lifecycle import (
    create_canister,
    delete_canister,
    provisional_create_canister_with_cycles,
    provisional_top_up_canister,
    start_canister,
    stop_canister,
    uninstall_code,
)
from juno_snap.replica.management.settings import update_settings
from juno_snap.replica.management.snapshot_data import (
    read_canister_snapshot_data,
    read_canister_snapshot_metadata,
    upload_canister_snapshot_data,
)
from juno_snap.replica.management.snapshot_upload import upload_canister_snapshot_metadata
from juno_snap.replica.management.snapshots import (
    delete_canister_snapshot,
    list_canister_snapshots,
    load_canister_snapshot,
    take_canister_snapshot,
)
from juno_snap.replica.management.status import (
    canister_metrics,
    canister_status,
    fetch_canister_logs,
    list_canisters,
)
from juno_snap.wire.candid import BLOB, CandidType, Record, Vec

NOTHING: Final = Record({})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method, with who may call it and how."""

    arguments: CandidType
    run: Callable[[Call], tuple[object, ...] | None]
    """Gives the results, or None where it is going to answer by itself."""
    results: tuple[CandidType, ...] = ()
    access: Access = Access.CONTROLLERS
    target: str | None = "canister_id"
    """The field that names the canister it is about; None where there is none yet."""
    ingress: bool = True
    """Whether users can call it; canisters can in any case."""
    query: bool = False
    only_query: bool = False
    takes_cycles: bool = False
    """Whether the cycles that a canister sends along stay here."""


METHODS: Final[Mapping[str, Method]] = {
    "provisional_create_canister_with_cycles": Method(
        arguments=types.PROVISIONAL_CREATE_ARGUMENTS,
        results=(types.CANISTER_ID,),
        run=provisional_create_canister_with_cycles,
        access=Access.ANYONE,
        target=None,
    ),
    "provisional_top_up_canister": Method(
        arguments=types.PROVISIONAL_TOP_UP_ARGUMENTS,
        run=provisional_top_up_canister,
        access=Access.ANYONE,
    ),
    "update_settings": Method(arguments=types.UPDATE_SETTINGS_ARGUMENTS, run=update_settings),
    "start_canister": Method(arguments=types.CANISTER_ID, run=start_canister),
    "stop_canister": Method(arguments=types.CANISTER_ID, run=stop_canister),
    "delete_canister": Method(arguments=types.CANISTER_ID, run=delete_canister),
    "uninstall_code": Method(arguments=types.UNINSTALL_CODE_ARGUMENTS, run=uninstall_code),
    "install_code": Method(arguments=types.INSTALL_CODE_ARGUMENTS, run=install_code),
    "install_chunked_code": Method(
        arguments=types.INSTALL_CHUNKED_CODE_ARGUMENTS,
        run=install_chunked_code,
        target="target_canister",
    ),
    "upload_chunk": Method(
        arguments=types.UPLOAD_CHUNK_ARGUMENTS,
        results=(types.CHUNK_HASH,),
        run=upload_chunk,
        access=Access.CONTROLLERS_AND_SELF,
    ),
    "stored_chunks": Method(
        arguments=types.CANISTER_ID,
        results=(Vec(types.CHUNK_HASH),),
        run=stored_chunks,
        access=Access.CONTROLLERS_AND_SELF,
    ),
    "clear_chunk_store": Method(
        arguments=types.CANISTER_ID, run=clear_chunk_store, access=Access.CONTROLLERS_AND_SELF
    ),
    "canister_status": Method(
        arguments=types.CANISTER_ID,
        results=(types.CANISTER_STATUS_RESULT,),
        run=canister_status,
        access=Access.STATUS_READERS,
        query=True,
    ),
    "canister_metrics": Method(
        arguments=types.CANISTER_ID,
        results=(types.CANISTER_METRICS_RESULT,),
        run=canister_metrics,
        query=True,
    ),
    "fetch_canister_logs": Method(
        arguments=types.CANISTER_ID,
        results=(types.FETCH_LOGS_RESULT,),
        run=fetch_canister_logs,
        access=Access.LOG_READERS,
        ingress=False,
        query=True,
        only_query=True,
    ),
    "list_canisters": Method(
        arguments=NOTHING,
        run=list_canisters,
        access=Access.ANYONE,
        target=None,
        ingress=False,
        query=True,
        only_query=True,
    ),
    "take_canister_snapshot": Method(
        arguments=types.TAKE_SNAPSHOT_ARGUMENTS,
        results=(types.SNAPSHOT,),
        run=take_canister_snapshot,
    ),
    "load_canister_snapshot": Method(
        arguments=types.LOAD_SNAPSHOT_ARGUMENTS, run=load_canister_snapshot
    ),
    "list_canister_snapshots": Method(
        arguments=types.CANISTER_ID,
        results=(Vec(types.SNAPSHOT),),
        run=list_canister_snapshots,
        access=Access.SNAPSHOT_READERS,
    ),
    "delete_canister_snapshot": Method(
        arguments=types.SNAPSHOT_ID_ARGUMENTS, run=delete_canister_snapshot
    ),
    "read_canister_snapshot_metadata": Method(
        arguments=types.SNAPSHOT_ID_ARGUMENTS,
        results=(types.SNAPSHOT_METADATA,),
        run=read_canister_snapshot_metadata,
        access=Access.SNAPSHOT_READERS,
    ),
    "read_canister_snapshot_data": Method(
        arguments=types.READ_DATA_ARGUMENTS,
        results=(types.READ_DATA_RESULT,),
        run=read_canister_snapshot_data,
        access=Access.SNAPSHOT_READERS,
    ),
    "upload_canister_snapshot_metadata": Method(
        arguments=types.UPLOAD_METADATA_ARGUMENTS,
        results=(types.UPLOAD_METADATA_RESULT,),
        run=upload_canister_snapshot_metadata,
    ),
    "upload_canister_snapshot_data": Method(
        arguments=types.UPLOAD_DATA_ARGUMENTS, run=upload_canister_snapshot_data
    ),
    "create_canister": Method(
        arguments=types.CREATE_ARGUMENTS,
        results=(types.CANISTER_ID,),
        run=create_canister,
        access=Access.ANYONE,
        target=None,
        ingress=False,
        takes_cycles=True,
    ),
    "deposit_cycles": Method(
        arguments=types.CANISTER_ID,
        run=deposit_cycles,
        access=Access.ANYONE,
        ingress=False,
        takes_cycles=True,
    ),
    "raw_rand": Method(
        arguments=NOTHING,
        results=(BLOB,),
        run=raw_rand,
        access=Access.ANYONE,
        target=None,
        ingress=False,
    ),
    "canister_info": Method(
        arguments=types.CANISTER_INFO_ARGUMENTS,
        results=(types.CANISTER_INFO_RESULT,),
        run=canister_info,
        access=Access.ANYONE,
        ingress=False,
    ),
    "canister_metadata": Method(
        arguments=types.CANISTER_METADATA_ARGUMENTS,
        results=(types.CANISTER_METADATA_RESULT,),
        run=canister_metadata,
        access=Access.ANYONE,
        ingress=False,
    ),
}
"""Source: interface specification, "The IC management canister"."""

READ_ONLY: Final = frozenset(
    {
        "canister_info",
        "canister_metadata",
        "canister_metrics",
        "canister_status",
        "fetch_canister_logs",
        "list_canister_snapshots",
        "list_canisters",
        "raw_rand",
        "read_canister_snapshot_data",
        "read_canister_snapshot_metadata",
        "stored_chunks",
    }
)
"""Methods that change no canister, but for what they cost."""

CANISTERS_ONLY_WITH_TARGET: Final = frozenset({"canister_info", "canister_metadata"})
"""Refused later than the others below, and with another text."""

UNSUPPORTED: Final = frozenset(
    {
        "http_request",
        "flexible_http_request",
        "ecdsa_public_key",
        "sign_with_ecdsa",
        "schnorr_public_key",
        "sign_with_schnorr",
        "vetkd_public_key",
        "vetkd_derive_key",
        "node_metrics_history",
        "subnet_info",
        "bitcoin_get_balance",
        "bitcoin_get_utxos",
        "bitcoin_get_block_headers",
        "bitcoin_send_transaction",
        "bitcoin_get_current_fee_percentiles",
    }
)
"""Methods that serve canisters on the network, and that this replica does not have."""
