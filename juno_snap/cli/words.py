"""Texts for people, in pure functions."""


def printable(text: str) -> str:
    """``text`` without control characters: the network's words must not steer the terminal."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def seconds(duration_ms: int) -> str:
    """A duration for people."""
    return f"{duration_ms / 1000:.1f} s"
