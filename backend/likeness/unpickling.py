"""Reading pickles from strangers: arrays and plain containers, nothing else, and nothing of the file is executed.

This is an interpreter of its own for the pickle protocols 0 to 5. The standard library's can be kept from importing
what a file names, but not from taking memory that a file asks for, nor from working for as long as a file likes.
Here steps, sizes and copies are bounded before they are taken, and whatever is not known is refused.

Opcodes after Python's ``pickletools``. Python 2's strings are read as Latin-1, as ``encoding="latin1"`` would.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .errors import LikenessError
from .files import file_size
from .pickled_values import ADMITTED, Budget, Named, PickledArray, PickledObject, PickledType, UnsafePickleError

MAXIMUM_BYTES = 384 * 2**20
MAXIMUM_STEPS = 1_000_000
MAXIMUM_NAME = 256
MAXIMUM_LINE = 2**20
MAXIMUM_WHOLE_NUMBER = 16
"""Bytes of a whole number; more would be a number that no array holds."""

_BUDGET_OVER_SIZE = 3
"""How many times the content of a file may be copied in all: decoded, encoded again, and once more."""


def read_pickle_file(path: Path, kind: str, maximum_bytes: int = MAXIMUM_BYTES) -> Any:
    """The value in a pickle file, see :func:`unpickled`.

    Parameters
    ----------
    path : Path
    kind : str
        What the file is to the user, with its article; for messages.
    maximum_bytes : int

    Raises
    ------
    LikenessError
        If the file is missing, too large, damaged, or holds anything but arrays and plain containers.
    """
    try:
        size = file_size(path)
        if size > maximum_bytes:
            raise LikenessError(f"{path} has {size} bytes; {kind} has at most {maximum_bytes}.")
        content = path.read_bytes()
    except FileNotFoundError:
        raise LikenessError(f"There is no file {path}; {kind} should be there.") from None
    except OSError as error:
        raise LikenessError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return unpickled(content)
    except UnsafePickleError as error:
        raise LikenessError(f"{path} is not opened as {kind}: it {error}; take the original file.") from error


def unpickled(
    content: bytes,
    admitted: Mapping[str, Named] = ADMITTED,
    persistent: Callable[[Any], Any] | None = None,
    persistent_bytes: int = 0,
) -> Any:
    """The value of a pickle.

    Parameters
    ----------
    content : bytes
    admitted : mapping of str to Named
        Classes and functions that the pickle may name, and what we do in their place.
    persistent : callable, optional
        Gives the value of a persistent id, as PyTorch's files use for their storages.
    persistent_bytes : int
        How many bytes lie behind persistent ids, which values may be copied from too.

    Returns
    -------
    Any
        None, truth values, numbers, text, bytes, lists, tuples, sets and dicts of such; arrays as
        :class:`~likeness.pickled_values.PickledArray` or ndarray, known classes as
        :class:`~likeness.pickled_values.PickledObject`; :func:`~likeness.pickled_values.array_of` reads both.

    Raises
    ------
    UnsafePickleError
        If it is damaged, or holds anything else.
    """
    machine = _Machine(content, admitted, persistent, persistent_bytes)
    try:
        return machine.run()
    except UnsafePickleError:
        raise
    except (IndexError, KeyError, ValueError, TypeError, struct.error, AttributeError, OverflowError) as error:
        raise UnsafePickleError("is damaged or cut off") from error


class _Machine:
    """The stack, the marks on it and the memo of one pickle."""

    def __init__(
        self,
        content: bytes,
        admitted: Mapping[str, Named],
        persistent: Callable[[Any], Any] | None,
        persistent_bytes: int,
    ) -> None:
        self._content = content
        self._place = 0
        self._admitted = admitted
        self._persistent = persistent
        self._stack: list[Any] = []
        self._marks: list[int] = []
        # A dict, for the standard library's list lets one opcode of five bytes reserve gigabytes.
        self._memo: dict[int, Any] = {}
        self._budget = Budget(_BUDGET_OVER_SIZE * len(content) + persistent_bytes + 2**16)

    def run(self) -> Any:
        """Interpret until the pickle ends."""
        for _ in range(MAXIMUM_STEPS):
            code = self._take(1)[0]
            if code == 0x2E:  # STOP
                return self._stack.pop()
            step = _STEPS.get(code)
            if step is None:
                raise UnsafePickleError(f"uses the opcode {code:#04x}, which no file of arrays needs")
            step(self)
        raise UnsafePickleError(f"takes more than {MAXIMUM_STEPS} steps to read")

    def _take(self, count: int) -> bytes:
        end = self._place + count
        if count < 0 or end > len(self._content):
            raise UnsafePickleError("is cut off")
        part = self._content[self._place : end]
        self._place = end
        return part

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> bytes:
        end = self._content.find(b"\n", self._place, self._place + MAXIMUM_LINE)
        if end < 0:
            raise UnsafePickleError("is cut off")
        line = self._content[self._place : end]
        self._place = end + 1
        return line

    def _sized(self, form: str) -> bytes:
        count = self._number(form)
        self._budget.spend(max(count, 0) if count <= len(self._content) else 0)
        return self._take(count)

    def _above_mark(self) -> list[Any]:
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    # -- plain values

    def _decimal(self, line: bytes) -> None:
        text = line.strip().rstrip(b"L")
        if text in (b"00", b"01"):
            self._push(text == b"01")
            return
        if len(text) > 2 * MAXIMUM_WHOLE_NUMBER:
            raise UnsafePickleError("holds an absurdly large number")
        self._push(int(text))

    def _long(self, count: int) -> None:
        if not 0 <= count <= MAXIMUM_WHOLE_NUMBER:
            raise UnsafePickleError("holds an absurdly large number")
        self._push(int.from_bytes(self._take(count), "little", signed=True))

    def _quoted(self) -> None:
        line = self._line().strip()
        if len(line) < 2 or line[:1] not in b"'\"" or line[-1:] != line[:1]:
            raise UnsafePickleError("holds text without quotes")
        self._budget.spend(len(line))
        self._push(codecs.escape_decode(line[1:-1])[0].decode("latin-1"))  # pyright: ignore[reportAttributeAccessIssue]

    # -- containers

    def _append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise UnsafePickleError("appends to something that is no list")
        target.extend(items)

    def _set_item(self) -> None:
        value, name = self._stack.pop(), self._stack.pop()
        self._set_items([name, value])

    def _set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise UnsafePickleError("names values in something that is no table")
        for name, value in zip(items[::2], items[1::2], strict=True):
            # Only these, for the hash of nested tuples may take for ever.
            if not isinstance(name, str | bytes | int):
                raise UnsafePickleError("names a value by something that is no name")
            target[name] = value

    def _new_dict(self) -> None:
        items = self._above_mark()
        self._push({})
        self._set_items(items)

    def _add_items(self) -> None:
        items, target = self._above_mark(), self._stack[-1]
        if not isinstance(target, set) or any(not isinstance(item, str | bytes | int) for item in items):
            raise UnsafePickleError("holds a set of something else than names and numbers")
        target.update(items)

    def _tuple(self, count: int) -> None:
        if len(self._stack) < count:
            raise UnsafePickleError("is damaged")
        items = tuple(self._stack[-count:])
        del self._stack[-count:]
        self._push(items)

    # -- memo

    def _remember(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _recall(self, index: int) -> None:
        self._push(self._memo[index])

    # -- classes and functions

    def _name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str) or len(module) + len(name) > MAXIMUM_NAME:
            raise UnsafePickleError("asks for something without a proper name")
        named = self._admitted.get(f"{module}.{name}")
        if named is None:
            printable = f"{module}.{name}".encode("ascii", "replace").decode()
            raise UnsafePickleError(f"asks for {printable!r}, which is no array")
        self._push(named)

    def _global(self) -> None:
        module = self._line().decode("latin-1")
        self._name(module, self._line().decode("latin-1"))

    def _stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._name(module, name)

    def _call(self) -> None:
        arguments, called = self._stack.pop(), self._stack.pop()
        if not isinstance(called, Named) or not isinstance(arguments, tuple):
            raise UnsafePickleError("calls something that is no function")
        self._push(called.call(arguments, self._budget))

    def _call_with_keywords(self) -> None:
        if self._stack.pop() != {}:
            raise UnsafePickleError("makes an object with keywords, which no array needs")
        self._call()

    def _build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, PickledArray | PickledObject):
            target.set_state(state, self._budget)
        elif isinstance(target, PickledType):
            target.set_state(state)
        elif isinstance(target, dict) and isinstance(state, dict):
            # An OrderedDict's own attributes, which say nothing about what it holds.
            return
        else:
            raise UnsafePickleError("gives a state to something that has none")

    def _persistent_id(self, value: Any) -> None:
        if self._persistent is None:
            raise UnsafePickleError("refers to data outside itself")
        self._push(self._persistent(value))

    def _utf8(self, content: bytes) -> None:
        self._push(content.decode("utf-8", "surrogatepass"))

    def _discard(self) -> None:
        # A mark is no item of ours, so what is popped above one is the mark itself.
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()


_STEPS: dict[int, Callable[[_Machine], Any]] = {
    ord(code): step
    for code, step in {
        "\x80": lambda m: m._take(1),  # PROTO
        "\x95": lambda m: m._take(8),  # FRAME
        "(": lambda m: m._marks.append(len(m._stack)),
        "0": lambda m: m._discard(),
        "1": lambda m: m._above_mark(),
        "2": lambda m: m._push(m._stack[-1]),
        "N": lambda m: m._push(None),
        "\x88": lambda m: m._push(True),
        "\x89": lambda m: m._push(False),
        "I": lambda m: m._decimal(m._line()),
        "L": lambda m: m._decimal(m._line()),
        "J": lambda m: m._push(m._number("<i")),
        "K": lambda m: m._push(m._number("<B")),
        "M": lambda m: m._push(m._number("<H")),
        "\x8a": lambda m: m._long(m._number("<B")),
        "\x8b": lambda m: m._long(m._number("<i")),
        "F": lambda m: m._push(float(m._line())),
        "G": lambda m: m._push(m._number(">d")),
        "S": lambda m: m._quoted(),
        "T": lambda m: m._push(m._sized("<i").decode("latin-1")),
        "U": lambda m: m._push(m._sized("<B").decode("latin-1")),
        "V": lambda m: m._push(m._line().decode("raw-unicode-escape")),
        "X": lambda m: m._utf8(m._sized("<I")),
        "\x8c": lambda m: m._utf8(m._sized("<B")),
        "\x8d": lambda m: m._utf8(m._sized("<Q")),
        "B": lambda m: m._push(m._sized("<I")),
        "C": lambda m: m._push(m._sized("<B")),
        "\x8e": lambda m: m._push(m._sized("<Q")),
        "\x96": lambda m: m._push(m._sized("<Q")),
        "]": lambda m: m._push([]),
        "a": lambda m: m._append([m._stack.pop()]),
        "e": lambda m: m._append(m._above_mark()),
        "l": lambda m: m._push(m._above_mark()),
        ")": lambda m: m._push(()),
        "t": lambda m: m._push(tuple(m._above_mark())),
        "\x85": lambda m: m._tuple(1),
        "\x86": lambda m: m._tuple(2),
        "\x87": lambda m: m._tuple(3),
        "}": lambda m: m._push({}),
        "d": lambda m: m._new_dict(),
        "s": lambda m: m._set_item(),
        "u": lambda m: m._set_items(m._above_mark()),
        "\x8f": lambda m: m._push(set()),
        "\x90": lambda m: m._add_items(),
        "g": lambda m: m._recall(int(m._line())),
        "h": lambda m: m._recall(m._number("<B")),
        "j": lambda m: m._recall(m._number("<I")),
        "p": lambda m: m._remember(int(m._line())),
        "q": lambda m: m._remember(m._number("<B")),
        "r": lambda m: m._remember(m._number("<I")),
        "\x94": lambda m: m._remember(len(m._memo)),
        "c": lambda m: m._global(),
        "\x93": lambda m: m._stack_global(),
        "R": lambda m: m._call(),
        "\x81": lambda m: m._call(),
        "\x92": lambda m: m._call_with_keywords(),
        "b": lambda m: m._build(),
        "P": lambda m: m._persistent_id(m._line().decode("latin-1")),
        "Q": lambda m: m._persistent_id(m._stack.pop()),
    }.items()
}
