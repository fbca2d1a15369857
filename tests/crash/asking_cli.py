"""The command line for many questions in a row: a process that need not start for each of them.

Reads a JSON line for each command and writes one with what it came to.
"""

import json
import os
import sys
from dataclasses import asdict

from tests.integration.cli_world import juno_snap

if __name__ == "__main__":
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ.clear()
        os.environ.update(asked["environment"])
        answers.write(json.dumps(asdict(juno_snap(*asked["words"]))) + "\n")
        answers.flush()
