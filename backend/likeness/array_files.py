"""NumPy's .npy and .npz and PyTorch's zip files from strangers: sizes are checked first, and nothing is executed."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from .errors import LikenessError
from .files import file_size
from .pickled_values import (
    ADMITTED,
    Budget,
    Named,
    PickledObject,
    UnsafePickleError,
)
from .unpickling import unpickled

MAXIMUM_MEMBER_BYTES = 384 * 2**20
MAXIMUM_MEMBERS = 4096
MAXIMUM_TEXT_BYTES = 4096

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, IndexError, TypeError, NotImplementedError,
    RuntimeError, OverflowError, AttributeError, SyntaxError, tokenize.TokenError, MemoryError,
)  # fmt: skip
"""What libraries raise at damage; MemoryError comes from Python's parser, at an array's header that nests deeply."""


def check_compression(archive: zipfile.ZipFile, name: str) -> None:
    """Make sure that a zip's member is stored or deflated; NumPy and PyTorch write nothing else.

    Raises
    ------
    ValueError
        If it is compressed by another library, each of which has its own ways to fail.
    """
    if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"holds {name} in a compression that no file of arrays has")


def read_array_file(path: Path, kind: str, maximum_bytes: int = MAXIMUM_MEMBER_BYTES) -> Any:
    """What a .npy file holds: an array, or the pickled value of an array of one object (see :mod:`.unpickling`).

    Raises
    ------
    LikenessError
        If the file is missing, too large, damaged or holds anything else.
    """
    content = _content(path, kind, maximum_bytes)
    try:
        return _npy(content)
    except _DAMAGE as error:
        raise _unusable(path, kind, error) from error


def read_array_archive(
    path: Path, kind: str, names: Collection[str], maximum_bytes: int = MAXIMUM_MEMBER_BYTES
) -> dict[str, Any]:
    """Those of the named arrays that a .npz file holds; other members are not looked at.

    Parameters
    ----------
    path : Path
    kind : str
        What the file is to the user, with its article; for messages.
    names : collection of str
    maximum_bytes : int
        Most that one member may unpack to.

    Raises
    ------
    LikenessError
        If the file is missing, damaged, or a named member is no array.
    """
    try:
        file_size(path)
        with zipfile.ZipFile(path) as archive:
            _check_count(archive)
            return {
                name: _npy(_member(archive, f"{name}.npy", maximum_bytes))
                for name in names
                if f"{name}.npy" in archive.NameToInfo
            }
    except FileNotFoundError:
        raise LikenessError(f"There is no file {path}; {kind} should be there.") from None
    except OSError as error:
        raise LikenessError(f"{path} cannot be read: {error.strerror or error}.") from error
    except _DAMAGE as error:
        raise _unusable(path, kind, error) from error


def read_torch_file(path: Path, kind: str, maximum_bytes: int = MAXIMUM_MEMBER_BYTES) -> Any:
    """The value in a file of ``torch.save`` (the zip layout since PyTorch 1.6), its tensors as arrays.

    The zip holds ``NAME/data.pkl``, whose persistent ids ``("storage", type, key, device, count)`` stand for the raw
    little-endian numbers in ``NAME/data/KEY``; a tensor is a view (storage, offset, shape, strides) of one.

    Raises
    ------
    LikenessError
        If the file is missing, too large, damaged, or holds anything but arrays, tensors and plain containers.
    """
    content = _content(path, kind, maximum_bytes)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_count(archive)
            pickles = [name for name in archive.namelist() if name == "data.pkl" or name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise ValueError("holds no data.pkl; files older than PyTorch 1.6 must be saved again")
            folder = pickles[0].removesuffix("data.pkl")
            if f"{folder}byteorder" in archive.NameToInfo and b"big" in _member(archive, f"{folder}byteorder", 64):
                raise ValueError("was written on a machine of the other byte order")
            storages = _Storages(archive, folder, maximum_bytes)
            return unpickled(_member(archive, pickles[0], maximum_bytes), _TORCH, storages.find, len(content))
    except _DAMAGE as error:
        raise _unusable(path, kind, error) from error


class _Storages:
    """The raw numbers of one file's tensors, read when asked for, each once."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, maximum_bytes: int) -> None:
        self._archive, self._folder, self._left = archive, folder, maximum_bytes
        self._found: dict[str, np.ndarray] = {}

    def find(self, identity: Any) -> np.ndarray:
        """The storage of a persistent id."""
        if not isinstance(identity, tuple) or len(identity) != 5 or identity[0] != "storage":
            raise UnsafePickleError("refers to data that is no tensor")
        named, key, count = identity[1], identity[2], identity[4]
        dtype = _STORAGE_TYPES.get(named.name) if isinstance(named, Named) else None
        if dtype is None or not isinstance(key, str) or not key.isalnum() or type(count) is not int:
            raise UnsafePickleError("refers to a tensor of an unknown type")
        if key not in self._found:
            content = _member(self._archive, f"{self._folder}data/{key}", self._left)
            self._left -= len(content)
            if len(content) != count * dtype.itemsize:
                raise UnsafePickleError("holds a tensor that is cut off")
            self._found[key] = np.frombuffer(content, dtype)
        if self._found[key].dtype != dtype:
            raise UnsafePickleError("holds one tensor as two types")
        return self._found[key]


def _tensor(arguments: tuple[Any, ...], budget: Budget) -> np.ndarray:
    storage, offset, shape, strides = arguments[:4]
    whole = all(type(n) is int and n >= 0 for n in (offset, *shape, *strides))
    if not isinstance(storage, np.ndarray) or not whole or len(shape) != len(strides) or len(shape) > 8:
        raise UnsafePickleError("holds a tensor without a proper state")
    count = math.prod(shape)
    last = offset + sum((extent - 1) * stride for extent, stride in zip(shape, strides, strict=True))
    if count and last >= len(storage):
        raise UnsafePickleError("holds a tensor that is larger than its data")
    if not count:
        return np.zeros(0, storage.dtype)
    # A stride of zero makes a large tensor of little data.
    budget.spend(count * storage.itemsize)
    view = np.lib.stride_tricks.as_strided(
        storage[offset:], shape, [stride * storage.itemsize for stride in strides], writeable=False
    )
    return np.array(view)


def _first(arguments: tuple[Any, ...], _: Budget) -> Any:
    return arguments[0]


_STORAGE_TYPES = {
    f"torch.{name}Storage": np.dtype(code)
    for name, code in {
        "Float": "<f4", "Double": "<f8", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1",
        "Byte": "u1", "Bool": "?",
    }.items()
}  # fmt: skip


def _is_no_function(arguments: tuple[Any, ...], _: Budget) -> PickledObject:
    raise UnsafePickleError("calls a type of storage")


_TORCH = ADMITTED | {
    "torch._utils._rebuild_tensor_v2": Named("torch._utils._rebuild_tensor_v2", _tensor),
    "torch._utils._rebuild_parameter": Named("torch._utils._rebuild_parameter", _first),
    **{name: Named(name, _is_no_function) for name in _STORAGE_TYPES},
}


def _content(path: Path, kind: str, maximum_bytes: int) -> bytes:
    try:
        size = file_size(path)
        if size > maximum_bytes:
            raise LikenessError(f"{path} has {size} bytes; {kind} has at most {maximum_bytes}.")
        return path.read_bytes()
    except FileNotFoundError:
        raise LikenessError(f"There is no file {path}; {kind} should be there.") from None
    except OSError as error:
        raise LikenessError(f"{path} cannot be read: {error.strerror}.") from error


def _check_count(archive: zipfile.ZipFile) -> None:
    if len(archive.filelist) > MAXIMUM_MEMBERS:
        raise ValueError(f"holds {len(archive.filelist)} files")


def _member(archive: zipfile.ZipFile, name: str, maximum_bytes: int) -> bytes:
    """A member of a zip, never more of it than allowed, whatever its header promises."""
    if archive.NameToInfo[name].file_size > maximum_bytes:
        raise ValueError(f"holds {name} of {archive.NameToInfo[name].file_size} bytes")
    check_compression(archive, name)
    with archive.open(name) as stream:
        content = stream.read(maximum_bytes + 1)
    if len(content) > maximum_bytes:
        raise ValueError(f"holds {name} of more than {maximum_bytes} bytes")
    return content


def _npy(content: bytes) -> Any:
    """The array in the bytes of a .npy file, or the value of an array of one object."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise ValueError("is of an unknown .npy version")
    if dtype.hasobject:
        if math.prod(shape) != 1:
            raise ValueError("holds an array of objects")
        value = unpickled(content[stream.tell() :])
        items = getattr(value, "items", None)
        return items[0] if isinstance(items, list) and len(items) == 1 else value
    if dtype.kind not in "fiubUS" or dtype.itemsize > MAXIMUM_TEXT_BYTES or any(extent < 0 for extent in shape):
        raise ValueError(f"holds an array of the type {dtype}")
    count = math.prod(shape)
    if count * dtype.itemsize > len(content) - stream.tell():
        raise ValueError("is cut off")
    flat = np.frombuffer(content, dtype, count, stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _unusable(path: Path, kind: str, error: Exception) -> LikenessError:
    clause = " ".join(str(error.args[0] if error.args else type(error).__name__).split()).rstrip(".")[:_MAXIMUM_CLAUSE]
    # Our own clauses have a verb; what a library says is put after one.
    told = clause if isinstance(error, UnsafePickleError) or clause.startswith(_VERBS) else f"is damaged ({clause})"
    return LikenessError(f"{path} is not opened as {kind}: it {told}; take the original file.")


_MAXIMUM_CLAUSE = 200
"""Characters of what a library says; NumPy repeats a whole header."""
_VERBS = ("holds ", "is ", "was ", "uses ", "asks ")
