"""The library: connect to a network, and upgrade modules from Python as the command line does.

In here: what ``juno_snap`` itself offers, all of it asynchronous. Not in here: a terminal, files
that nobody named. ``cli`` and ``testing`` may import it; everybody else says ``import juno_snap``.
"""
