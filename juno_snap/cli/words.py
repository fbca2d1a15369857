"""Texts for people, in pure functions."""

from typing import Final


def printable(text: str) -> str:
    """``text`` without control characters: the network's words must not steer the terminal."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


AGES: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def age(seconds: int) -> str:
    """How long ago something was, in its largest unit; clocks may differ, so it may lie ahead."""
    for unit_seconds, name in AGES:
        count = seconds // unit_seconds
        if count > 0:
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "less than a minute ago"


def seconds(duration_ms: int) -> str:
    """A duration for people."""
    return f"{duration_ms / 1000:.1f} s"
