"""Reading ``.safetensors`` files from strangers: every size is checked against the file before memory is taken."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from .errors import LikenessError
from .files import file_size

_DTYPES = {"F16": np.float16, "F32": np.float32, "I32": np.int32, "U8": np.uint8}


def read_tensors(path: Path, kind: str, maximum_bytes: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors and metadata of a ``.safetensors`` file.

    Parameters
    ----------
    path : Path
    kind : str
        What the file is to the user, with its article: ``"a head model"``. Used in messages only.
    maximum_bytes : int
        Largest file that is read.

    Returns
    -------
    tensors : dict of str to ndarray
        Read-only views into one buffer; float16, float32, int32 or uint8.
    metadata : dict of str to str

    Raises
    ------
    LikenessError
        If the file is not there, cannot be read, is larger than ``maximum_bytes``, or is not a whole file of this kind.
    """
    try:
        size = file_size(path)
        if size > maximum_bytes:
            raise LikenessError(f"{path} has {size} bytes; {kind} has at most {maximum_bytes}.")
        content = path.read_bytes()
    except FileNotFoundError:
        raise LikenessError(f"{path} is missing; {kind} should be there.") from None
    except OSError as error:
        raise LikenessError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return _parse(content)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise LikenessError(f"{path} is not a whole .safetensors file: {error}; make or copy it again.") from error


def _parse(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    (length,) = struct.unpack_from("<Q", content)
    if length > len(content) - 8:
        raise ValueError("its header is cut off")
    header = json.loads(content[8 : 8 + length])
    body = memoryview(content)[8 + length :]
    metadata = {str(key): str(value) for key, value in header.pop("__metadata__", {}).items()}
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"{name} has the type {entry['dtype']!r}, which is not used here")
        dtype, shape, (start, end) = np.dtype(_DTYPES[entry["dtype"]]), entry["shape"], entry["data_offsets"]
        count = 1
        for extent in shape:
            if not isinstance(extent, int) or extent < 0:
                raise ValueError(f"{name} has the shape {shape}")
            count *= extent
        if not 0 <= start <= end <= len(body) or end - start != count * dtype.itemsize:
            raise ValueError(f"{name} does not fit into the file")
        tensors[name] = np.frombuffer(body[start:end], dtype).reshape(shape)
    return tensors, metadata
