"""The management canister (aaaaa-aa), typed: one function a method, a frozen dataclass a record.

In here: Candid types and their translation. Not in here: order, policy, retries of an operation.
"""
