"""Keys that other tools keep on this machine: Juno's CLI, icp-cli and dfx.

Here: where they lie and what their files say. Not here: which of them signs, and who is asked for a
password (``cli``). Nothing here writes. No error holds a part of what was read.
"""
