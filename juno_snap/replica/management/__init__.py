"""The management canister (``aaaaa-aa``) of the local replica.

In here: its methods, grouped as the platform's documents group them; who may call each of them and
how; the ingress filter. Each method works on the state alone: time, caller and engine come in with
the ``Call``. Not in here: running Wasm (``execution``), certificates, HTTP.

Who does what: ``methods`` holds the table, ``filter`` decides before a round, ``dispatch`` decodes,
checks again and runs. Errors and their texts are the network's (dfinity/ic, ``canister_manager``);
the help that the network appends to some of them, after a line break, is left out.

Decided where the platform is silent or differs between versions:

* Every management method costs what the network's canister manager charges in 2026, without a flat
  fee for the message. A top-up by ``provisional_top_up_canister`` costs nothing.
* Cycles are never reserved: the subnet always has memory to spare.
* A refusal to read the status is IC0512 where only controllers may read it, as on all versions
  before status visibility, and IC0542 where viewers are named.
* What only a network can do (HTTPS outcalls, threshold signatures, Bitcoin) is refused to canisters
  by name, with IC0406. The order of calls is that of ``subnet``: a call by a canister takes effect
  at once, where the network lets it wait for the next round.
* A call whose effective canister id is not the canister in its payload is refused: the network
  would route it to another subnet.
"""
