"""What is Juno's own: roles of modules, published releases, its keys on this machine.

Meaning only: nothing here changes a module. Not here: what every canister has (``management``), and
who decides which key is used (``cli``). It may import ``base``, ``wire``, ``agent`` and
``management``; ``pipeline`` and everything above may import it.
"""
