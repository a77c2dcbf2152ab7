"""A pickle machine for a closed list of opcodes. The standard library's ``pickletools`` decodes them; what a global
means, and which calls may be made, the caller says."""

import pickletools
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

from rustorch._serialization.errors import UnpicklingError

__all__ = ["Interpreter", "Vocabulary", "check_key"]

# Opcodes whose decoded argument is the value they push.
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_MAPPINGS = (dict, OrderedDict, Counter, defaultdict)
_LONGEST_KEY = 1_000


class Vocabulary(Protocol):
    """What the globals of a file mean."""

    def find(self, name: str) -> Any:
        """The object a global stands for; UnpicklingError for a name that is not known."""

    def construct(self, function: Any, arguments: tuple) -> Any:
        """The value of a call that a file asks for."""

    def build(self, instance: Any, state: Any) -> None:
        """Gives an instance the state that a file asks for."""

    def persistent(self, identifier: Any) -> Any:
        """What the file keeps outside the pickle under this identifier."""


class Interpreter:
    """Reads one pickle. Containers of the result refer to each other as those that were saved did."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._position = 0

    def load(self, file: BinaryIO) -> Any:
        """The object of the pickle at the file's position, which is moved behind it."""
        for name, argument, position in _decode(file):
            self._position = position or 0
            if name in _LITERALS:
                self._stack.append(argument)
            elif name in _CONSTANTS:
                self._stack.append(_CONSTANTS[name]())
            elif name == "STOP":
                break
            else:
                self._step(name, argument)
        return self._pop()

    def _step(self, name: str, argument: Any) -> None:
        match name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                self._marks.append(len(self._stack))
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = self._top()
            case "MEMOIZE":
                self._memo[len(self._memo)] = self._top()
            case "BINGET" | "LONG_BINGET":
                self._stack.append(self._remembered(argument))
            case "TUPLE":
                self._stack.append(tuple(self._pop_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self._stack.append(tuple(self._pop_last(int(name[-1]))))
            case "APPEND" | "APPENDS":
                items = [self._pop()] if name == "APPEND" else self._pop_mark()
                self._target(list).extend(items)
            case "SETITEM" | "SETITEMS":
                items = self._pop_last(2) if name == "SETITEM" else self._pop_mark()
                self._set_items(items)
            case "ADDITEMS":
                items = self._pop_mark()
                self._target(set).update(map(check_key, items))
            case "FROZENSET":
                self._stack.append(frozenset(map(check_key, self._pop_mark())))
            case "BINSTRING" | "SHORT_BINSTRING":
                self._stack.append(self._text_of_python_2(argument))
            case "GLOBAL":
                self._stack.append(self._vocabulary.find(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                module, qualified = self._pop_last(2)
                self._stack.append(self._vocabulary.find(f"{module}.{qualified}"))
            case "REDUCE" | "NEWOBJ":
                function, arguments = self._pop_last(2)
                if type(arguments) is not tuple:
                    raise self._damaged("a call whose arguments are no tuple")
                self._stack.append(self._vocabulary.construct(function, arguments))
            case "BUILD":
                state = self._pop()
                self._vocabulary.build(self._top(), state)
            case "BINPERSID":
                self._stack.append(self._vocabulary.persistent(self._pop()))
            case "POP":
                self._pop()
            case "POP_MARK":
                self._pop_mark()
            case _:
                raise UnpicklingError(
                    f"Unsupported operand {name} at byte {self._position}: rustorch.load reads the opcodes of "
                    "protocol 2 and later that hold data. Save the file again with PyTorch's torch.save"
                )

    def _damaged(self, what: str) -> UnpicklingError:
        return UnpicklingError(f"The pickle is damaged: {what} at byte {self._position}")

    def _floor(self) -> int:
        return self._marks[-1] if self._marks else 0

    def _top(self) -> Any:
        if len(self._stack) <= self._floor():
            raise self._damaged("an opcode finds nothing on the stack")
        return self._stack[-1]

    def _pop(self) -> Any:
        value = self._top()
        del self._stack[-1]
        return value

    def _pop_last(self, count: int) -> list[Any]:
        start = len(self._stack) - count
        if start < self._floor():
            raise self._damaged(f"an opcode finds fewer than {count} values on the stack")
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _pop_mark(self) -> list[Any]:
        if not self._marks:
            raise self._damaged("an opcode finds no mark on the stack")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _remembered(self, key: int) -> Any:
        if key not in self._memo:
            raise self._damaged(f"memo {key} is read before it is written")
        return self._memo[key]

    def _target(self, kind: type) -> Any:
        container = self._top()
        if type(container) is not kind:
            raise self._damaged(f"items for a {kind.__name__} meet a {type(container).__name__}")
        return container

    def _set_items(self, items: list[Any]) -> None:
        container = self._top()
        if type(container) not in _MAPPINGS:
            raise self._damaged(f"keys and values for a dict meet a {type(container).__name__}")
        if len(items) % 2:
            raise self._damaged("a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            container[check_key(key)] = value

    def _text_of_python_2(self, argument: str) -> str:
        try:
            return argument.encode("latin-1").decode("utf-8")
        except UnicodeError as error:
            raise self._damaged("a byte string of Python 2 that is not UTF-8") from error


def _decode(file: BinaryIO) -> Iterator[tuple[str, Any, int | None]]:
    """The opcodes of one pickle. Their arguments are literals; none is longer than what the file holds."""
    opcodes = pickletools.genops(file)
    while True:
        try:
            opcode, argument, position = next(opcodes)
        except StopIteration:
            return
        except (ValueError, OverflowError, EOFError, IndexError) as error:
            raise UnpicklingError(f"The pickle is damaged: {error}") from error
        yield opcode.name, argument, position


def check_key(key: Any) -> Any:
    """The key itself, if it may be hashed. Tuples are walked first: shared parts can take for ever to hash."""
    from rustorch import Size, device, dtype

    pending = [key]
    seen = 0
    while pending:
        part = pending.pop()
        seen += 1
        if type(part) is tuple and seen + len(part) <= _LONGEST_KEY:
            pending.extend(part)
        elif not isinstance(part, (str, bytes, int, float, complex, type(None), frozenset, dtype, device, Size)):
            raise UnpicklingError(f"A {type(part).__name__} is not loaded as the key of a dict or an item of a set")
    return key
