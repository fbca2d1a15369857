"""The program: builds the commands and turns what they raise into exit codes."""


def main() -> None:
    """Run the command line."""
