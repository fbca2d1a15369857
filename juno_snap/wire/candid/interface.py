"""What a canister says about itself: its methods and their types, from a ``.did`` text.

ic-py's own parser is not used. It knows no named arguments, no quoted names, no numbered fields,
no ``composite_query``, no methods by the name of a function type, and wants a semicolon before
every closing brace, all of which Motoko's and Rust's interfaces contain.

Source: Candid specification, "Core Grammar" and "Interfaces".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from typing_extensions import override

from juno_snap.errors import DecodeError, InputError
from juno_snap.wire.candid.primitives import CandidType
from juno_snap.wire.candid.tokens import Token
from juno_snap.wire.candid.type_parser import TypeParser
from juno_snap.wire.candid.types import Func, Rec, Service

INTERFACE_MAX_CHARS: Final = 1_000_000
"""Longest interface that is read. The largest in use have a few tens of thousands."""

MethodMode: TypeAlias = Literal["update", "query", "composite_query", "oneway"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What a method takes and gives."""

    args: tuple[CandidType, ...]
    results: tuple[CandidType, ...]
    mode: MethodMode


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """The methods of a canister by name."""

    methods: Mapping[str, Method]
    init_args: tuple[CandidType, ...]
    """What its code takes when it is installed; empty where the interface does not say."""

    @property
    def types(self) -> Sequence[CandidType]:
        """Every type that appears at a method or at installation."""
        parts = [(*method.args, *method.results) for method in self.methods.values()]
        return [*self.init_args, *(part for group in parts for part in group)]


def parse_interface(did_text: str) -> Interface:
    """The interface that a ``.did`` text describes; without a service it has no methods.

    Raises:
        DecodeError: It cannot be read, or it imports another file; names the place.
    """
    if len(did_text) > INTERFACE_MAX_CHARS:
        raise DecodeError(f"a Candid interface of more than {INTERFACE_MAX_CHARS} characters")
    try:
        return _InterfaceParser(did_text).interface()
    except InputError as error:
        raise DecodeError(
            f"the Candid interface cannot be read: {error.message}", code="candid-interface"
        ) from error


class _InterfaceParser(TypeParser):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._named: dict[str, Rec] = {}
        self._used: dict[str, Token] = {}
        self._defined: set[str] = set()

    def interface(self) -> Interface:
        while self._is("type") or self._is("import"):
            self._definition()
            if not self._takes(";"):
                break
        init_args: list[CandidType] = []
        service: CandidType = Service({})
        if self._takes("service"):
            if self._next.kind == "name":
                self._take()
            self._expect(":")
            if self._is("("):
                init_args = self._type_list()
                self._expect("->")
            service = self._service_type() if self._is("{") else self._type()
            self._takes(";")
        if self._next.kind != "end":
            raise self._unexpected("a type, a service or the end")
        self._check_names()
        return Interface(methods=self._methods(service), init_args=tuple(init_args))

    def _definition(self) -> None:
        if self._takes("import"):
            raise self._fault("imports of other files are not followed")
        self._expect("type")
        token = self._next
        name = self._name("a name")
        if name in self._defined:
            raise self._fault(f"a second type {name}", token.offset)
        self._expect("=")
        self._defined.add(name)
        self._reference(name).fill(self._type())

    def _reference(self, name: str) -> Rec:
        return self._named.setdefault(name, Rec())

    @override
    def _named_type(self, token: Token) -> CandidType:
        self._used.setdefault(token.text, token)
        return self._reference(token.text)

    @override
    def _method_type(self) -> CandidType:
        return self._func_type() if self._is("(") else self._type()

    def _check_names(self) -> None:
        """Every name is defined, and not only as itself."""
        for name, token in self._used.items():
            if name not in self._defined:
                raise self._fault(f"there is no type {name}", token.offset)
            self._named[name].resolved()

    def _methods(self, service: CandidType) -> dict[str, Method]:
        actor = service.resolved()
        if not isinstance(actor, Service):
            raise InputError(f"the service is of type {actor.kind}")
        return {name: self._method(name, part) for name, part in actor.methods.items()}

    def _method(self, name: str, part: CandidType) -> Method:
        func = part.resolved()
        if not isinstance(func, Func):
            raise InputError(f"method {name} is of type {func.kind}")
        mode: MethodMode = "update"
        for said in sorted(func.modes):
            mode = said
        return Method(args=func.args, results=func.results, mode=mode)
