"""The command line: options in, exit code out. Only ``output`` writes to the terminal."""
