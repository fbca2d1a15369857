"""The words of Candid text, with their places.

Source: Candid specification, "Values" and "Comments". Beyond it: ``nan`` and ``inf`` are numbers,
because the binary form has them and a printed value must be readable again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from typing_extensions import override

from juno_snap.errors import InputError

TEXT_MAX_CHARS: Final = 32_000_000
"""Longest text that is read. Three characters a byte of a full message leave room for more."""

_EXCERPT_MAX: Final = 40
_SURROGATES: Final = range(0xD800, 0xE000)
_UNICODE_MAX: Final = 0x10FFFF

Kind: TypeAlias = Literal["name", "number", "float", "text", "sign", "end"]

_DIGITS: Final = "[0-9](?:_?[0-9])*"
_HEX: Final = "[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_WORD: Final = re.compile(
    rf"""
    (?P<space> \s+ | //[^\n]* )
  | (?P<comment> /\* )
  | (?P<float> [+-]? (?: 0[xX]{_HEX}(?: \.(?:{_HEX})?(?:[pP][+-]?{_DIGITS})? | [pP][+-]?{_DIGITS} )
                       | {_DIGITS}(?: \.(?:{_DIGITS})?(?:[eE][+-]?{_DIGITS})? | [eE][+-]?{_DIGITS} )
                       | (?:nan|NaN|inf)\b ) )
  | (?P<number> [+-]? (?: 0[xX]{_HEX} | {_DIGITS} ) )
  | (?P<name> [A-Za-z_][A-Za-z0-9_]* )
  | (?P<text> "(?:[^"\\]|\\.)*" )
  | (?P<sign> -> | [(){{}};,:=.] )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
_ESCAPE: Final = re.compile(
    r"""(?P<bytes>(?:\\[0-9a-fA-F]{2})+)|\\u\{(?P<unicode>[0-9a-fA-F](?:_?[0-9a-fA-F])*)\}"""
    r"""|\\(?P<plain>[nrt\\"'])|(?P<wrong>\\)"""
)
_PLAIN: Final = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\", '"': b'"', "'": b"'"}


class CandidTextError(InputError):
    """Candid text that cannot be read or does not fit: ``offset`` in characters, from 0.

    ``line`` and ``column`` count from 1; ``problem`` is the message without the place.
    """

    def __init__(self, message: str, *, text: str, offset: int) -> None:
        self.problem = message
        self.offset = offset
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - text.rfind("\n", 0, offset)
        super().__init__(
            f"Candid text, line {self.line}, column {self.column} (offset {offset}): {message}",
            value=text[offset : offset + _EXCERPT_MAX],
            code="candid-text",
        )

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """The text from the place on, and the place."""
        return {
            "value": self.value,
            "offset": self.offset,
            "line": self.line,
            "column": self.column,
        }


@final
@dataclass(frozen=True, slots=True)
class Token:
    """A word of the text. ``text`` is what stands there, with quotes and escapes."""

    kind: Kind
    text: str
    offset: int


def tokens(text: str) -> list[Token]:
    """The words of ``text`` without spaces and comments; one of kind ``end`` comes last.

    Raises:
        CandidTextError: Something that is no word, or a text or comment without its end.
    """
    if len(text) > TEXT_MAX_CHARS:
        raise CandidTextError(f"more than {TEXT_MAX_CHARS} characters", text=text, offset=0)
    found: list[Token] = []
    offset = 0
    while offset < len(text):
        match = _WORD.match(text, offset)
        if match is None:
            message = "a text without its closing quote" if text[offset] == '"' else "unexpected"
            raise CandidTextError(_with_excerpt(message, text, offset), text=text, offset=offset)
        kind = match.lastgroup
        if kind == "comment":
            offset = _end_of_comment(text, offset)
            continue
        if kind in ("number", "float") and text[match.end() : match.end() + 1].isidentifier():
            raise CandidTextError(
                _with_excerpt("a malformed number", text, offset), text=text, offset=offset
            )
        match kind:
            case "name" | "number" | "float" | "text" | "sign":
                found.append(Token(kind, match.group(), offset))
            case _:
                pass
        offset = match.end()
    found.append(Token("end", "", len(text)))
    return found


def _with_excerpt(message: str, text: str, offset: int) -> str:
    rest = text[offset : offset + _EXCERPT_MAX].split(maxsplit=1)
    return f"{message}: {rest[0]}" if rest else message


def _end_of_comment(text: str, offset: int) -> int:
    """Block comments nest."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, offset):
        depth += 1 if edge.group() == "/*" else -1
        if not depth:
            return edge.end()
    raise CandidTextError("a comment without its end", text=text, offset=offset)


def unquoted(token: Token, source: str) -> bytes:
    """The bytes that a token of kind ``text`` stands for.

    Raises:
        CandidTextError: An escape that does not exist, or no Unicode.
    """
    parts: list[bytes] = []
    body = token.text[1:-1]
    done = 0
    for match in _ESCAPE.finditer(body):
        parts.append(_encoded(body[done : match.start()], token, source))
        done = match.end()
        place = token.offset + 1 + match.start()
        if match["bytes"]:
            parts.append(bytes.fromhex(match["bytes"].replace("\\", "")))
        elif match["unicode"]:
            parts.append(_code_point(match["unicode"].replace("_", ""), source, place))
        elif match["plain"]:
            parts.append(_PLAIN[match["plain"]])
        else:
            raise CandidTextError(
                f"there is no escape {body[match.start() : match.start() + 2]}",
                text=source,
                offset=place,
            )
    parts.append(_encoded(body[done:], token, source))
    return b"".join(parts)


def _encoded(text: str, token: Token, source: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise CandidTextError(
            "characters that are no Unicode", text=source, offset=token.offset
        ) from error


def _code_point(digits: str, source: str, place: int) -> bytes:
    number = int(digits, 16) if len(digits) <= len("10FFFF") + 2 else _UNICODE_MAX + 1
    if number > _UNICODE_MAX or number in _SURROGATES:
        raise CandidTextError(f"there is no character {digits}", text=source, offset=place)
    return chr(number).encode()
