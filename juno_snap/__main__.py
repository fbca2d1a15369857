"""Run the command line with ``python -m juno_snap``."""

from juno_snap.cli.main import main

if __name__ == "__main__":
    main()
