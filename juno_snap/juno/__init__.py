"""What is Juno's: its keys on this machine.

Not here: what every canister has (``management``), and who decides which key is used (``cli``).
"""
