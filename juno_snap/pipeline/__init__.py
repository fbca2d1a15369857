"""Operations on a module in their right order: observe, plan, act, verify, tidy.

In here: upgrade, snapshot create, restore, delete. Not in here: a terminal, a network protocol,
configuration files. Planning is pure; acting leaves the module running whatever fails.
"""
