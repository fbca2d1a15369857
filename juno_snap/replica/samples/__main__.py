"""Write a sample module to standard output: ``python -m juno_snap.replica.samples NAME``."""

import sys

from juno_snap.replica.samples import SAMPLE_NAMES, sample

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SAMPLE_NAMES:  # noqa: PLR2004  # program and name
        sys.exit(f"usage: python -m juno_snap.replica.samples {'|'.join(SAMPLE_NAMES)} > FILE")
    sys.stdout.buffer.write(sample(sys.argv[1]))
