"""Files of NumPy and PyTorch give their arrays without either's readers; what is no array is refused unexecuted."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from likeness.array_files import read_array_archive, read_array_file, read_torch_file
from likeness.errors import LikenessError
from likeness.pickled_values import array_of

KIND = "a test's file"


def refusal(read, *arguments) -> str:
    with pytest.raises(LikenessError) as told:
        read(*arguments)
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("code", ["f2", "f4", "f8", ">f4", "i2", "i8", "u1", "?", "U5", "S3"])
def test_arrays_of_every_kind_are_read(tmp_path, code):
    values = np.arange(12).reshape(3, 4).astype(code)
    for array in (values, np.asfortranarray(values), values[:0], values[0, 0]):
        np.save(tmp_path / "a.npy", array)
        np.testing.assert_array_equal(read_array_file(tmp_path / "a.npy", KIND), array)


def test_an_archive_gives_what_is_asked_for_and_opens_nothing_else(tmp_path):
    np.savez(tmp_path / "a.npz", one=np.arange(3), other=np.array([os.system], object))
    assert list(read_array_archive(tmp_path / "a.npz", KIND, ["one", "missing"])) == ["one"]
    assert "asks for" in refusal(read_array_archive, tmp_path / "a.npz", KIND, ["other"])


def test_an_object_in_an_array_is_read_by_our_own_rules(tmp_path):
    np.save(tmp_path / "a.npy", np.array({"faces": np.arange(3), "list": [1.5, 2.5]}, object), allow_pickle=True)
    read = read_array_file(tmp_path / "a.npy", KIND)
    assert array_of(read["faces"]).tolist() == [0, 1, 2] and array_of(read["list"]).tolist() == [1.5, 2.5]


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY\x09\x00",
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", bytes(8)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", bytes(8)),
        npy("{'descr': '|V100', 'fortran_order': False, 'shape': (1,), }", bytes(100)),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", pickle.dumps([1, 2])),
        npy("{'descr': '<U99999999', 'fortran_order': False, 'shape': (0,), }"),
        npy("{'descr': __import__('os').system('touch executed'), 'fortran_order': False, 'shape': (), }"),
        npy("{" * 100),
        npy("-" * 9000 + "1"),
        npy("9" * 4000),
    ],
)
def test_damaged_arrays_are_refused(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.npy").write_bytes(content)
    told = refusal(read_array_file, tmp_path / "a.npy", KIND)
    assert "a.npy" in told and len(told) < 1000
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as out:
        out.write(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (67108864,), }"))
        for _ in range(64):
            out.write(bytes(2**20))
    assert "bytes" in refusal(read_array_archive, tmp_path / "a.npz", KIND, ["a"], 2**20)
    # One that lies about it: the true size is found out while unpacking.
    content = (tmp_path / "a.npz").read_bytes()
    real = (tmp_path / "a.npz").stat().st_size
    directory = content.rindex(b"PK\x01\x02")
    lying = content[: directory + 24] + struct.pack("<I", 1000) + content[directory + 28 :]
    (tmp_path / "a.npz").write_bytes(lying)
    assert len(lying) == real
    refusal(read_array_archive, tmp_path / "a.npz", KIND, ["a"], 2**20)


def test_members_are_stored_or_deflated(tmp_path):
    content = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (4000,), }", bytes(range(250)) * 16)
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(tmp_path / "a.npz", "w", compression) as archive:
            archive.writestr("a.npy", content)
            archive.writestr("archive/data.pkl", pickle.dumps(list(range(1000))))
        if compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            assert read_array_archive(tmp_path / "a.npz", KIND, ["a"])["a"].shape == (4000,)
            assert read_torch_file(tmp_path / "a.npz", KIND) == list(range(1000))
            continue
        whole = (tmp_path / "a.npz").read_bytes()
        # Whole, and with its compressed bytes damaged, at which each library raises errors of its own.
        for damaged in (whole, whole[:50] + b"\xff" * 20 + whole[70:]):
            (tmp_path / "a.npz").write_bytes(damaged)
            assert "in a compression that" in refusal(read_array_archive, tmp_path / "a.npz", KIND, ["a"])
        at = whole.index(b"archive/data.pkl") + 20
        (tmp_path / "a.npz").write_bytes(whole[:at] + b"\xff" * 20 + whole[at + 20 :])
        assert "in a compression that" in refusal(read_torch_file, tmp_path / "a.npz", KIND)


def test_files_of_pytorch_give_their_tensors_and_arrays(tmp_path):
    whole = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    value = {
        "tensor": whole,
        "part": whole[1:3, ::2],
        "turned": whole.T,
        "shared": [whole[0], whole[1]],
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "flags": torch.tensor([True, False]),
        "half": torch.tensor([1.5], dtype=torch.float16),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "array": np.arange(5),
        "text": "00001",
        "number": 7,
    }
    torch.save(value, tmp_path / "a.pt")
    read = read_torch_file(tmp_path / "a.pt", KIND)
    assert read["text"] == "00001" and read["number"] == 7
    np.testing.assert_array_equal(array_of(read["array"]), np.arange(5))
    for name in ("tensor", "part", "turned", "scalar", "flags", "half"):
        np.testing.assert_array_equal(read[name], value[name].numpy(), err_msg=name)
    np.testing.assert_array_equal(read["parameter"], [1, 1])
    np.testing.assert_array_equal(read["shared"][1], whole[1].numpy())
    assert read["empty"].size == 0


class Command:
    def __reduce__(self):
        return os.system, ("touch executed",)


def archive_of(pickled: bytes, **members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in members.items():
            archive.writestr(f"archive/data/{name.removeprefix('_')}", content)
    return stream.getvalue()


def tensor(shape: str, strides: str, offset: int = 0, count: int = 4, kind: str = "FloatStorage") -> bytes:
    """The pickle of one tensor whose storage is called 0."""
    storage = f"(Vstorage\nctorch\n{kind}\nV0\nVcpu\nI{count}\ntQ"
    return f"ctorch._utils\n_rebuild_tensor_v2\n({storage}I{offset}\n({shape}t({strides}tI00\n".encode() + b"}tR."


def test_a_tensor_may_not_reach_beyond_its_data(tmp_path):
    good = archive_of(tensor("I2\nI2\n", "I2\nI1\n"), _0=np.arange(4, dtype="<f4").tobytes())
    (tmp_path / "a.pt").write_bytes(good)
    assert read_torch_file(tmp_path / "a.pt", KIND).tolist() == [[0, 1], [2, 3]]
    for pickled in (
        tensor("I2\nI3\n", "I2\nI1\n"),
        tensor("I2\nI2\n", "I2\nI1\n", offset=1),
        tensor("I2\nI2\n", "I2\nI-1\n"),
        tensor("I2\nI2\n", "I2\nI1\n", offset=-1),
        tensor("I100000000000\n", "I0\n"),
        tensor("I2\n", "I1\nI1\n"),
        tensor("I4\n", "I1\n", count=1000),
        tensor("I4\n", "I1\n", kind="UntypedStorage"),
        tensor("I4\n", "I1\n").replace(b"V0\n", b"V../0\n"),
    ):
        (tmp_path / "a.pt").write_bytes(archive_of(pickled, _0=bytes(16)))
        refusal(read_torch_file, tmp_path / "a.pt", KIND)


def test_what_runs_code_is_refused_unexecuted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"flame": Command()}, tmp_path / "a.pt")
    assert "system" in refusal(read_torch_file, tmp_path / "a.pt", KIND)
    (tmp_path / "a.pt").write_bytes(b"no archive at all")
    assert "a.pt" in refusal(read_torch_file, tmp_path / "a.pt", KIND)
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    assert "a.pt" in refusal(read_torch_file, tmp_path / "a.pt", KIND)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_missing_and_large_files_are_told(tmp_path: Path):
    for read in (read_array_file, read_torch_file):
        assert "missing" in refusal(read, tmp_path / "missing", KIND)
        (tmp_path / "large").write_bytes(bytes(100))
        assert "100 bytes" in refusal(read, tmp_path / "large", KIND, 99)
