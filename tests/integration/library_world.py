"""A program that uses the library, and modules with a document for it."""

import juno_snap
from juno_snap.replica.samples import sample
from tests.integration.management_world import OWNER

V1, V2, V3 = (sample(f"document_store_v{n}") for n in (1, 2, 3))


def connections_to(replica, state):
    """Makes connections to the replica, all with one state directory."""

    def opened(**options):
        options = {"identity": OWNER, "state": state, **options}
        return juno_snap.connect(replica.url, root_key=replica.root_key, **options)

    return opened


async def store_with_a_document(network):
    module = await network.create_module(V1)
    await module.call("set_document", '("greeting", "hello")')
    return module


async def document(module, key="greeting"):
    return await module.call("document", f'("{key}")', query=True)


async def version(module):
    return await module.call("version", query=True)
