"""Measuring, and saying what was measured."""

import statistics
import sys
import time


def median_ms(run, *, times):
    """The median time that ``run`` takes, in milliseconds."""
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        run()
        spent.append((time.perf_counter() - begin) * 1000)
    return statistics.median(spent)


def report(capsys, **figures_ms):
    """Show figures on the terminal, also where pytest captures output."""
    with capsys.disabled():
        sys.stdout.write("\n")
        for what, milliseconds in figures_ms.items():
            sys.stdout.write(f"{what.replace('_', ' '):<60} {milliseconds:9.3f} ms\n")
