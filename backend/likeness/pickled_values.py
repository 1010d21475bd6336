"""What a pickle of arrays may hold besides plain Python values, each as data of our own that runs no code of the file.

Nothing here imports a class because a file names it: chumpy's and scipy.sparse's objects become :class:`PickledObject`,
their states are read by :func:`array_of`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAXIMUM_DIMENSIONS = 8
MAXIMUM_EXTENT = 2**31
MAXIMUM_SPARSE_CELLS = 4_000_000
MAXIMUM_LIST_NUMBERS = 100_000
MAXIMUM_DEPTH = 3
"""Most values that an array may be wrapped in; files have a sparse matrix in an array of one object, which are two."""
MAXIMUM_SCALAR_BYTES = 64

_ENTRY_BYTES = 64
"""About what an entry of a table or a set takes."""

_PLAIN_TYPE = re.compile(r"[<>|=]?(?:[fiu][1248]|b1|S\d{1,4}|U\d{1,4})")


class UnsafePickleError(ValueError):
    """A pickle holds something that is no array, or does not fit together; the message is a clause."""


@dataclass
class Budget:
    """Bytes that values may still be copied into: a small file can ask for the same bytes many times."""

    left: int

    def spend(self, count: int) -> None:
        """Take ``count`` bytes, before they are allocated.

        Raises
        ------
        UnsafePickleError
        """
        self.left -= count
        if self.left < 0:
            raise UnsafePickleError("unpacks to far more than its own size")


@dataclass
class PickledType:
    """A NumPy type by name; the state that follows it gives the byte order."""

    code: str
    order: str = "<"

    def dtype(self) -> np.dtype[Any]:
        """The type.

        Raises
        ------
        UnsafePickleError
            If it is not one of plain numbers, truth values or text.
        """
        if self.code in ("O", "O8", "|O"):
            raise UnsafePickleError("holds an array of objects where an array of numbers is needed")
        if not _PLAIN_TYPE.fullmatch(self.code):
            raise UnsafePickleError(f"holds an array of the type {self.code!r}")
        try:
            return np.dtype((">" if ">" in (self.order, self.code[0]) else "<") + self.code.lstrip("<>|="))
        except TypeError:
            raise UnsafePickleError(f"holds an array of the type {self.code!r}") from None

    @property
    def of_objects(self) -> bool:
        """Whether arrays of this type hold Python objects."""
        return self.code.lstrip("|") in ("O", "O8")

    def set_state(self, state: Any) -> None:
        """Take the state (version, byte order, subtype, names, fields, ...) that NumPy pickles after a type."""
        if not isinstance(state, tuple) or len(state) < 5 or any(part is not None for part in state[2:5]):
            raise UnsafePickleError("holds a structured array")
        if not isinstance(state[1], str | bytes) or len(state[1]) > 1:
            raise UnsafePickleError("holds an array of an unknown type")
        self.order = state[1] if isinstance(state[1], str) else state[1].decode("latin-1")


@dataclass
class PickledArray:
    """An array whose state follows; ``items`` instead of ``values`` for an array of Python objects."""

    values: np.ndarray | None = None
    items: list[Any] | None = None

    def set_state(self, state: Any, budget: Budget) -> None:
        """Take the state (version, shape, type, Fortran order, content); every size is checked against the content."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise UnsafePickleError("holds an array without a proper state")
        shape, kind, fortran, content = state[-4:]
        if not isinstance(kind, PickledType):
            raise UnsafePickleError("holds an array without a type")
        if kind.of_objects:
            if not isinstance(content, list) or len(content) != math.prod(_shape(shape)):
                raise UnsafePickleError("holds an array of objects that does not fit its shape")
            self.items = content
        else:
            self.values = array_from(content, kind, shape, "F" if fortran else "C", budget)


@dataclass
class PickledObject:
    """An instance of a known class of another package, as what it was pickled as."""

    kind: str
    state: dict[str, Any] = field(default_factory=dict)

    def set_state(self, state: Any, budget: Budget) -> None:
        """Take attributes; a pair (attributes, slots) is what some Python versions write."""
        parts = state if isinstance(state, tuple) else (state,)
        if len(parts) > 2:
            raise UnsafePickleError(f"holds a {self.kind} without a proper state")
        for part in parts:
            if part is None:
                continue
            if not isinstance(part, dict):
                raise UnsafePickleError(f"holds a {self.kind} without a proper state")
            budget.spend(_ENTRY_BYTES * len(part))
            if not all(isinstance(name, str) for name in part):
                raise UnsafePickleError(f"holds a {self.kind} without a proper state")
            self.state.update(part)


@dataclass(frozen=True)
class Named:
    """A function or class that a pickle may name, and what we do when it is called."""

    name: str
    call: Callable[[tuple[Any, ...], Budget], Any]


def array_from(content: Any, kind: PickledType, shape: Any, order: str, budget: Budget) -> np.ndarray:
    """An array of raw bytes.

    Raises
    ------
    UnsafePickleError
        If content, type and shape disagree.
    """
    dtype, shape = kind.dtype(), _shape(shape)
    if isinstance(content, str):  # Python 2's strings of bytes, read as Latin-1.
        budget.spend(len(content))
        try:
            content = content.encode("latin-1")
        except UnicodeEncodeError:
            raise UnsafePickleError("holds an array whose bytes are text") from None
    if not isinstance(content, bytes | bytearray):
        raise UnsafePickleError("holds an array without its bytes")
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise UnsafePickleError(f"holds an array of the shape {shape} in {len(content)} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if order == "F" else "C")


def _shape(shape: Any) -> tuple[int, ...]:
    whole = isinstance(shape, tuple) and all(type(extent) is int and 0 <= extent < MAXIMUM_EXTENT for extent in shape)
    if not whole or len(shape) > MAXIMUM_DIMENSIONS:
        raise UnsafePickleError("holds an array of an impossible shape")
    return shape


def array_of(value: Any, depth: int = 0) -> np.ndarray:
    """The numbers of a pickled array, scalar, nested list, sparse matrix (made dense) or chumpy variable.

    A sparse matrix of scipy is ``data`` with, for ``csc`` and ``csr``, ``indices`` of the minor axis and ``indptr``
    of the major one, or with ``row`` and ``col`` (later: ``coords``) for ``coo``; a chumpy ``Ch`` holds its value as
    ``x``.

    Parameters
    ----------
    value : Any
        What :func:`likeness.unpickling.unpickled` gives.
    depth : int
        How many values the array is wrapped in already.

    Raises
    ------
    UnsafePickleError
        If the value is none of these, or wrapped in more than :data:`MAXIMUM_DEPTH` values, as one that holds itself.
    """
    if depth > MAXIMUM_DEPTH:
        raise UnsafePickleError("holds arrays inside one another without an end")
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, PickledArray) and value.values is not None:
        return value.values
    if isinstance(value, PickledArray) and value.items is not None and len(value.items) == 1:
        return array_of(value.items[0], depth + 1)
    if isinstance(value, PickledObject):
        if value.kind == "chumpy":
            # A variable of a variable is not how models are stored, and a circle of them would never end.
            if isinstance(inner := value.state.get("x"), PickledObject):
                raise UnsafePickleError(f"holds a chumpy variable of a {inner.kind}")
            return array_of(inner, depth + 1)
        if value.kind in _SPARSE:
            return _dense(value, depth + 1)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return np.asarray(value)
    if isinstance(value, list | tuple):
        return _array_of_list(value)
    raise UnsafePickleError(f"holds a {type(value).__name__} where an array is needed")


def _array_of_list(value: list[Any] | tuple[Any, ...]) -> np.ndarray:
    """Numbers of a list, of lists of one length, or of arrays of one shape."""
    rows: list[Any] = [entry.values if isinstance(entry, PickledArray) else entry for entry in value]
    if rows and all(type(row) in (int, float) for row in rows):
        return np.array(rows)
    if rows and all(isinstance(row, np.ndarray | list | tuple) for row in rows):
        # One list may stand in many rows, so all that would be looked at is counted first.
        sizes = {row.size if isinstance(row, np.ndarray) else len(row) for row in rows}
        plain = len(sizes) == 1 and len(rows) * min(sizes) <= MAXIMUM_LIST_NUMBERS
        if plain and all(isinstance(row, np.ndarray) for row in rows) and len({row.shape for row in rows}) == 1:
            return np.array(rows)
        if plain and all(type(number) in (int, float) for row in rows for number in row):
            return np.array(rows)
    raise UnsafePickleError("holds a list where an array is needed")


def _dense(value: PickledObject, depth: int) -> np.ndarray:
    """A sparse matrix with all its zeros; entries that are there twice are added, as scipy does."""
    shape = value.state.get("_shape", value.state.get("shape"))
    if not isinstance(shape, tuple) or len(shape) != 2 or math.prod(_shape(shape)) > MAXIMUM_SPARSE_CELLS:
        raise UnsafePickleError("holds a sparse matrix of an impossible shape")
    data = array_of(value.state.get("data"), depth)
    if value.kind == "coo":
        pair = value.state.get("coords", (value.state.get("row"), value.state.get("col")))
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise UnsafePickleError("holds a sparse matrix without its places")
        row, column = (array_of(part, depth) for part in pair)
    else:
        minor, starts = (array_of(value.state.get(name), depth) for name in ("indices", "indptr"))
        major_length = shape[1] if value.kind == "csc" else shape[0]
        _check_whole(minor, starts)
        # Looked at before differences are taken: those of huge numbers wrap round, and NumPy trusts what it repeats by.
        if starts.shape != (major_length + 1,) or starts.min() < 0 or starts.max() > len(minor):
            raise UnsafePickleError("holds a sparse matrix whose parts disagree")
        counts = np.diff(starts.astype(np.int64))
        if (counts < 0).any() or starts[0] != 0 or starts[-1] != len(minor):
            raise UnsafePickleError("holds a sparse matrix whose parts disagree")
        major = np.repeat(np.arange(major_length), counts)
        row, column = (minor, major) if value.kind == "csc" else (major, minor)
    _check_whole(row, column)
    if data.ndim != 1 or data.dtype.kind not in "fiu" or not len(data) == len(row) == len(column):
        raise UnsafePickleError("holds a sparse matrix whose parts disagree")
    for places, extent in ((row, shape[0]), (column, shape[1])):
        if places.size and (places.min() < 0 or places.max() >= extent):
            raise UnsafePickleError("holds a sparse matrix with places outside its shape")
    dense = np.zeros(shape)
    np.add.at(dense, (row, column), data)
    return dense


def _check_whole(*arrays: np.ndarray) -> None:
    if any(array.ndim != 1 or array.dtype.kind not in "iu" or not array.size for array in arrays):
        raise UnsafePickleError("holds a sparse matrix without its places")


_SPARSE = ("csc", "csr", "coo")


def _type(arguments: tuple[Any, ...], _: Budget) -> PickledType:
    code = arguments[0] if arguments else None
    if isinstance(code, bytes):
        code = code.decode("latin-1")
    if not isinstance(code, str) or len(code) > 8:
        raise UnsafePickleError("holds an array of an unknown type")
    return PickledType(code)


def _array_shell(arguments: tuple[Any, ...], _: Budget) -> PickledArray:
    return PickledArray()


def _array_from_buffer(arguments: tuple[Any, ...], budget: Budget) -> np.ndarray:
    if len(arguments) != 4 or not isinstance(arguments[1], PickledType):
        raise UnsafePickleError("holds an array without a proper state")
    content, kind, shape, order = arguments
    # Not text made of it: that of lists of lists of one list would fill any memory.
    if order not in ("C", "F"):
        raise UnsafePickleError("holds an array without a proper state")
    return array_from(content, kind, shape, order, budget)


def _scalar(arguments: tuple[Any, ...], budget: Budget) -> Any:
    if len(arguments) != 2 or not isinstance(arguments[0], PickledType):
        raise UnsafePickleError("holds a number without a type")
    size = arguments[0].dtype().itemsize
    if size > MAXIMUM_SCALAR_BYTES:
        raise UnsafePickleError(f"holds a single value of {size} bytes")
    budget.spend(size)
    return array_from(arguments[1], arguments[0], (), "C", budget)[()]


def _encode(arguments: tuple[Any, ...], budget: Budget) -> bytes:
    """Python 3 writes bytes this way in protocols that Python 2 can read."""
    if not arguments or not isinstance(arguments[0], str) or arguments[1:] not in ((), ("latin1",), ("latin-1",)):
        raise UnsafePickleError("holds text in an unexpected encoding")
    budget.spend(len(arguments[0]))
    try:
        return arguments[0].encode("latin-1")
    except UnicodeEncodeError:
        raise UnsafePickleError("holds bytes that are text") from None


def _no_bytes(arguments: tuple[Any, ...], _: Budget) -> bytes:
    """How empty bytes are written in protocols that Python 2 can read."""
    if arguments:
        raise UnsafePickleError("makes bytes of something")
    return b""


def _set(arguments: tuple[Any, ...], budget: Budget) -> set[Any]:
    items = arguments[0] if arguments else []
    if not isinstance(items, list | tuple):
        raise UnsafePickleError("holds a set of something else than names and numbers")
    budget.spend(_ENTRY_BYTES * len(items))
    if any(not isinstance(item, str | bytes | int) for item in items):
        raise UnsafePickleError("holds a set of something else than names and numbers")
    return set(items)


def _dictionary(arguments: tuple[Any, ...], budget: Budget) -> dict[Any, Any]:
    pairs = arguments[0] if arguments else []
    if not isinstance(pairs, list):
        raise UnsafePickleError("holds a table of something else than named values")
    budget.spend(_ENTRY_BYTES * len(pairs))
    fine = all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs)
    if not fine or any(not isinstance(pair[0], str | bytes | int) for pair in pairs):
        raise UnsafePickleError("holds a table of something else than named values")
    return {pair[0]: pair[1] for pair in pairs}


def _instance(kind: str) -> Callable[[tuple[Any, ...], Budget], PickledObject]:
    return lambda arguments, budget: PickledObject(kind)


def _reconstructor(arguments: tuple[Any, ...], budget: Budget) -> Any:
    """Python 2's way to make an empty instance: of a class, based on object, from nothing."""
    if not arguments or not isinstance(arguments[0], Named):
        raise UnsafePickleError("rebuilds an object of no known class")
    return arguments[0].call((), budget)


def _table() -> dict[str, Named]:
    calls: dict[str, Callable[[tuple[Any, ...], Budget], Any]] = {
        "numpy.dtype": _type,
        "numpy.ndarray": _array_shell,
        "_codecs.encode": _encode,
        "collections.OrderedDict": _dictionary,
    }
    for core in ("numpy.core", "numpy._core"):
        calls[f"{core}.multiarray._reconstruct"] = _array_shell
        calls[f"{core}.multiarray.scalar"] = _scalar
        calls[f"{core}.numeric._frombuffer"] = _array_from_buffer
    for module in ("__builtin__", "builtins"):
        calls[f"{module}.object"] = _instance("object")
        calls[f"{module}.set"] = calls[f"{module}.frozenset"] = _set
        calls[f"{module}.dict"] = _dictionary
        calls[f"{module}.bytes"] = _no_bytes
    for module in ("copy_reg", "copyreg"):
        calls[f"{module}._reconstructor"] = _reconstructor
    for kind in _SPARSE:
        for module in (f"scipy.sparse.{kind}", f"scipy.sparse._{kind}"):
            calls[f"{module}.{kind}_matrix"] = calls[f"{module}.{kind}_array"] = _instance(kind)
    calls["chumpy.ch.Ch"] = _instance("chumpy")
    # A file of landmarks has tensors of PyTorch beside the arrays that are wanted; they are passed over, not read.
    for name in ("torch._utils._rebuild_tensor_v2", "torch.storage._load_from_bytes"):
        calls[name] = _instance("torch tensor")
    return {name: Named(name, call) for name, call in calls.items()}


ADMITTED = _table()
"""All that a pickle may name, by ``module.name``."""
