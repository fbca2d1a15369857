"""What is Juno's own: roles of modules, published releases.

Meaning only: nothing here changes a module. It may import ``base``, ``wire``, ``agent`` and
``management``; ``pipeline`` and everything above may import it.
"""
