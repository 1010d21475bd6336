"""Pickles from strangers give arrays and plain containers, whoever wrote them; anything else is refused unexecuted."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from flame import Ch, pickled
from likeness.errors import LikenessError
from likeness.pickled_values import PickledArray, UnsafePickleError, array_of
from likeness.unpickling import MAXIMUM_STEPS, read_pickle_file, unpickled
from scipy import sparse

PLAIN = {
    "numbers": [0, 1, -1, 255, 256, -(2**31), 2**40, -(2**70), 1.5, float("inf"), True, False, None],
    "text": ["", "é", "a\nb", "𝄞" * 200, b"", b"\x00\xff" * 300],
    "pairs": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "names": {"a", "b"},
    "ordered": OrderedDict(a=1, b=[2]),
    7: {"nested": [[], {}, [{}]]},
}
TYPES = ("f4", "f8", ">f8", "f2", "i1", "i2", "i4", "i8", "u1", "u4", "?", "U3", "S2")


def refusal(content: bytes) -> str:
    with pytest.raises(UnsafePickleError) as told:
        array_of(unpickled(content))
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_are_what_the_standard_library_reads(protocol):
    content = pickle.dumps(PLAIN, protocol)
    assert unpickled(content) == pickle.loads(content)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("code", TYPES)
def test_arrays_of_every_type_and_order_come_back(protocol, code):
    values = np.arange(24).reshape(2, 3, 4).astype(code)
    for array in (values, np.asfortranarray(values), values[:0], values[0, 0, 0], np.asarray(values[0, 0, 0])):
        read = unpickled(pickle.dumps([array], protocol))[0]
        read = read if isinstance(read, np.generic) else array_of(read)
        np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", [sparse.csc_matrix, sparse.csr_matrix, sparse.coo_matrix, sparse.csc_array])
def test_sparse_matrices_become_dense_without_scipy(protocol, kind):
    matrix = np.where(np.arange(200).reshape(5, 40) % 7 == 0, np.arange(200.0).reshape(5, 40), 0)
    np.testing.assert_array_equal(array_of(unpickled(pickle.dumps(kind(matrix), protocol))), matrix)


def test_what_a_memo_shares_stays_shared():
    shared = [1]
    read = unpickled(pickle.dumps([shared, shared]))
    assert read[0] is read[1]


class Command:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "call",
    [
        (os.system, ("touch executed",)),
        (subprocess.Popen, (["touch", "executed"],)),
        (eval, ("open('executed', 'w')",)),
        (getattr, (1, "real")),
        (np.load, ("executed",)),
        (np.zeros, (10**12,)),
        (bytearray, (10**12,)),
    ],
)
def test_what_is_no_array_is_refused_by_name_and_not_called(protocol, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsafePickleError, match="asks for"):
        unpickled(pickle.dumps({"v_template": Command(*call)}, protocol))
    assert not list(tmp_path.iterdir())


def test_an_array_cannot_smuggle_objects():
    with pytest.raises(UnsafePickleError):
        unpickled(pickle.dumps(np.array([Command(os.system, ("true",))], object)))
    assert "where an array is needed" in refusal(pickle.dumps(np.array([[1], [2, 3]], object)))
    assert "structured" in refusal(pickle.dumps(np.zeros(2, [("a", "f4"), ("b", "i4")])))


def reconstructed(shape: tuple[int, ...], code: bytes, content: bytes) -> bytes:
    """A pickled array that claims a shape for its content."""
    kind = b"cnumpy\ndtype\n(U" + bytes([len(code)]) + code + b"tR"
    extents = b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", extent) for extent in shape) + b"t"
    start = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R"
    return start + b"(K\x01" + extents + kind + b"\x89T" + struct.pack("<i", len(content)) + content + b"tb."


@pytest.mark.parametrize(
    "content",
    [
        reconstructed((2**40,), b"f8", b""),
        reconstructed((2**30, 2**30, 0), b"f8", b"12345678"),
        reconstructed((-1,), b"f8", b"12345678"),
        reconstructed((1,) * 40, b"f8", b"12345678"),
        reconstructed((1,), b"O8", b"12345678"),
        reconstructed((1,), b"V8", b"12345678"),
        reconstructed((1,), b"U2147483647"[:8], b"12345678"),
        reconstructed((2,), b"f8", b"12345678"),
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"(" * 1000,
        b"",
        b".",
        b"N",
        b"\x80\x02Nr\xff\xff\xff\xff.",
        b"\x80\x02}U\x01aK\x01s)s.",
        b"L" + b"9" * 5000 + b"L\n.",
        b"\x82\x01.",
        b"(i__main__\nA\n.",
        b"Pid\n.",
    ],
)
def test_damage_and_absurd_sizes_are_refused_at_once(content):
    start = time.process_time()
    refusal(content)
    assert time.process_time() - start < 0.5


def test_small_files_cannot_ask_for_much_memory_or_time():
    # The same megabyte as a hundred thousand arrays.
    shell = b"cnumpy.core.multiarray\n_reconstruct\n)R"
    text = b"T" + struct.pack("<i", 2**20) + bytes(2**20) + b"q\x01"
    kind = b"cnumpy\ndtype\n(U\x02u1tRq\x02"
    one = shell + b"(K\x01J\x00\x00\x10\x00\x85h\x02\x89h\x01tb0"
    many = b"\x80\x02" + text + kind + one * 100_000 + b"."
    # Doubled a hundred times, and as the name of a value.
    doubled = b"\x80\x02(l" + b"2\x86" * 100 + b"."
    named = b"\x80\x02}N" + b"2\x86" * 100 + b"Ns."
    endless = b"\x80\x02" + b"N0" * MAXIMUM_STEPS + b"."
    for content, clause in ((many, "own size"), (doubled, "array is needed"), (named, "no name"), (endless, "steps")):
        assert_refused_with_little(content, clause)


def assert_refused_with_little(content: bytes, clause: str) -> None:
    """A pickle is refused by half a gibibyte and ten seconds of a processor."""
    script = (
        "import resource, sys\n"
        "from likeness.unpickling import unpickled\n"
        "from likeness.pickled_values import UnsafePickleError, array_of\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "content = sys.stdin.buffer.read()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, used + 2**29))\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (10, 10))\n"
        "try:\n    array_of(unpickled(content))\nexcept UnsafePickleError as told:\n    print(told)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], input=content, capture_output=True, check=False)
    assert clause in done.stdout.decode(), done.stderr.decode()[-300:]


def copied(shared: bytes, called: bytes, one: bytes, count: int) -> bytes:
    """A pickle of a value, number 1 of its memo, and a function, number 2, that ``one`` uses many times."""
    return b"\x80\x02" + shared + b"q\x01" + called + b"q\x02" + one * count + b"."


WHOLE = [b"M" + struct.pack("<H", number) for number in range(20_000)]
KIND = b"cnumpy\ndtype\n(U\x02u1tR"


@pytest.mark.parametrize(
    ("content", "clause"),
    [
        (
            copied(
                b"T" + struct.pack("<i", 4 * 9999) + b"a\0\0\0" * 9999,
                b"cnumpy\ndtype\n(U\x05U9999tRq\x03cnumpy.core.multiarray\nscalar\n",
                b"h\x02h\x03h\x01\x86R",
                100_000,
            ),
            "39996 bytes",
        ),
        (copied(b"(" + b"".join(WHOLE) + b"l", b"c__builtin__\nset\n", b"h\x02h\x01\x85R", 2000), "own size"),
        (
            copied(
                b"(" + b"".join(number + b"N\x86" for number in WHOLE) + b"l",
                b"c__builtin__\ndict\n",
                b"h\x02h\x01\x85R",
                2000,
            ),
            "own size",
        ),
        (
            copied(
                b"}(" + b"".join(b"U\x05%05dN" % number for number in range(len(WHOLE))) + b"u",
                b"cchumpy.ch\nCh\n",
                b"h\x02)Rh\x01b",
                2000,
            ),
            "own size",
        ),
        (
            copied(b"B" + struct.pack("<i", 2**20) + bytes(2**20), KIND, KIND + b"(K\x03h\x01NNNtb", 2000),
            "unknown type",
        ),
        (
            copied(b"N" + b"2\x86" * 100, KIND, b"cnumpy.core.numeric\n_frombuffer\n(C\x00h\x02)h\x01tR", 1),
            "proper state",
        ),
    ],
    ids=["texts", "sets", "tables", "attributes", "byte orders", "orders"],
)
def test_what_is_made_of_one_value_many_times_is_counted(content, clause):
    assert_refused_with_little(content, clause)


def test_attributes_are_those_of_one_object():
    many = b"\x80\x02cchumpy.ch\nCh\n)R(" + b"N" * 10 + b"tb."
    assert "chumpy without a proper state" in refusal(many)
    assert "chumpy without a proper state" in refusal(b"\x80\x02cchumpy.ch\nCh\n)R}K\x01Nsb.")


def test_arrays_that_hold_themselves_are_refused():
    of_objects = b"cnumpy\ndtype\n(U\x02O8tR"
    array = b"cnumpy.core.multiarray\n_reconstruct\n)Rq\x01(K\x01K\x01\x85" + of_objects + b"\x89]h\x01atb."
    matrix = b"cscipy.sparse.csc\ncsc_matrix\n)Rq\x01}(U\x06_shapeK\x01K\x01\x86U\x04datah\x01ub."
    variable = b"cchumpy.ch\nCh\n)Rq\x01}U\x01xcnumpy.core.multiarray\n_reconstruct\n)R(K\x01K\x01\x85"
    variable += of_objects + b"\x89]h\x01atbsb."
    for circle in (array, matrix, variable):
        assert "inside one another" in refusal(b"\x80\x02" + circle)


def test_an_array_may_be_wrapped_as_often_as_files_do():
    for inner in (Ch(np.eye(3)), sparse.csc_matrix(np.eye(3))):
        wrapped = np.empty(1, object)
        wrapped[0] = inner
        np.testing.assert_array_equal(array_of(unpickled(pickled({"a": wrapped}))["a"]), np.eye(3))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("indices", np.array([0, 9, 1], np.int32)),
        ("indices", np.array([-1, 0, 1], np.int32)),
        ("indptr", np.array([0, 1, 2**30], np.int32)),
        ("indptr", np.array([0, 3, 1, 3], np.int32)),
        ("data", np.zeros(2)),
        ("_shape", (2**20, 2**20)),
        ("_shape", (2, 3, 4)),
    ],
)
def test_a_sparse_matrix_must_fit_together(field, value):
    matrix = sparse.csc_matrix(np.array([[1.0, 0, 2], [0, 3, 0]]))
    setattr(matrix, field, value)
    assert "sparse" in refusal(pickle.dumps(matrix))


def test_a_sparse_matrix_whose_counts_wrap_round_writes_nowhere():
    matrix = sparse.csc_matrix(np.array([[1.0, 0, 2], [0, 3, 0]]))
    # Differences of 2^63 - 1 twice and 5: with 64 bits they add up to the three places that there are.
    matrix.indptr = np.array([0, 2**63 - 1, -2, 3])
    assert_refused_with_little(pickle.dumps(matrix), "parts disagree")


def test_a_file_is_refused_in_one_sentence_with_its_name(tmp_path: Path):
    for name, content in (("empty.pkl", b""), ("cut.pkl", pickle.dumps(np.zeros(1000))[:500])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LikenessError, match=name):
            read_pickle_file(tmp_path / name, "a test")
    with pytest.raises(LikenessError, match=r"missing\.pkl"):
        read_pickle_file(tmp_path / "missing.pkl", "a test")
    (tmp_path / "large.pkl").write_bytes(bytes(100))
    with pytest.raises(LikenessError, match="100 bytes"):
        read_pickle_file(tmp_path / "large.pkl", "a test", 99)


def test_an_array_of_one_object_gives_that_object():
    read = unpickled(pickle.dumps(np.array({"a": np.arange(3)}, object)))
    assert isinstance(read, PickledArray) and read.items is not None
    np.testing.assert_array_equal(array_of(read.items[0]["a"]), np.arange(3))
