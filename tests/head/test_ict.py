"""ICT-FaceKit becomes a head model whose skeleton does what its shapes do; damaged files are refused by name."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from likeness.errors import LikenessError
from likeness.head.ict import IDENTITY_MODES, JAW_OPEN_ANGLE, SCLERA_BACK, UNIT, load_ict
from likeness.head.ict_files import (
    CORNERS,
    MAXIMUM_IDENTITIES,
    MAXIMUM_SETTINGS_BYTES,
    PARTS,
    POLYGONS,
    TRIANGLES,
    VERTICES,
    read_checkout,
    read_npz,
)
from likeness.head.model import HeadModel
from likeness.head.storage import check_head
from likeness.rig import JOINTS, Pose

FLOAT16_STEP = 2.0**-11
"""Relative error of a number rounded to float16, in which the files keep displacements."""


def turned(head: HeadModel, joint: str, angle: float) -> np.ndarray:
    """Vertices of the neutral head with one joint turned about X."""
    rotations = np.zeros((4, 3), np.float32)
    rotations[JOINTS.index(joint) - 1, 0] = angle
    return head.posed(Pose(head.neutral().expression, joint_rotations=rotations))


def expressed(head: HeadModel, name: str, weight: float = 1.0) -> np.ndarray:
    expression = np.zeros(head.expression_count, np.float32)
    expression[head.expression_names.index(name)] = weight
    return head.posed(Pose(expression))


def of_region(head: HeadModel, name: str) -> np.ndarray:
    """Vertices that triangles of a region use."""
    return np.unique(head.faces[head.regions[name]])


def test_it_is_a_whole_head_in_metres(ict_head):
    check_head(ict_head, "ict")
    assert (ict_head.template.shape, ict_head.identity_basis.shape[0], ict_head.expression_count) == (
        (22_991, 3),
        IDENTITY_MODES,
        53,
    )
    width, height, depth = np.ptp(ict_head.template, axis=0)
    assert 0.2 < width < 0.3 and 0.3 < height < 0.4 and 0.15 < depth < 0.3
    assert ict_head.licence == "MIT"
    assert np.allclose(ict_head.skin_weights.sum(1), 1, atol=1e-6)
    assert np.allclose(ict_head.joint_regressor.sum(1), 1, atol=1e-5)
    assert set(np.unique(ict_head.faces)) == set(range(len(ict_head.template)))


def test_axes_are_those_of_the_rig(ict_head):
    joints = dict(zip(JOINTS, ict_head.joints(), strict=True))
    assert joints["eye_l"][0] > 0.02 and joints["eye_r"][0] < -0.02
    assert joints["root"][1] < joints["neck"][1] < joints["jaw"][1] < joints["eye_l"][1]
    landmarks = ict_head.landmarks(ict_head.template)
    assert landmarks[:, 2].argmax() in (1, 4)  # the tip of the nose
    assert landmarks[263, 0] > landmarks[362, 0] > 0 > landmarks[133, 0] > landmarks[33, 0]  # corners of the eyes
    assert landmarks[10, 1] > landmarks[13, 1] > landmarks[152, 1]  # forehead, lip, chin


def test_turning_the_jaw_is_jaw_open(ict_head):
    opened = expressed(ict_head, "jawOpen")
    assert np.abs(turned(ict_head, "jaw", JAW_OPEN_ANGLE) - opened).max() < 1e-6
    # On the way a straight line and the arc of the same ends part by the arc's height: radius times (1 - cos(half)).
    half = turned(ict_head, "jaw", JAW_OPEN_ANGLE / 2) - expressed(ict_head, "jawOpen", 0.5)
    reach = np.linalg.norm(ict_head.template - ict_head.joints()[JOINTS.index("jaw")], axis=1)[
        of_region(ict_head, "face")
    ].max()
    assert np.linalg.norm(half, axis=1).max() < 1.1 * reach * (1 - np.cos(JAW_OPEN_ANGLE / 2))


def test_eyeballs_turn_about_their_centres_whoever_it_is(ict_head):
    random = np.random.default_rng(0)
    for identity in (np.zeros(IDENTITY_MODES), *random.normal(size=(5, IDENTITY_MODES))):
        shaped = ict_head.shaped(identity)
        for name in ("eye_l", "eye_r"):
            joint = JOINTS.index(name)
            ball = ict_head.skin_weights[:, joint] == 1
            centre = ict_head.joint_regressor[joint] @ shaped
            back = shaped[ball & (ict_head.template[:, 2] < UNIT * SCLERA_BACK)].astype(np.float64)
            # The sphere |p|^2 = 2 c.p + (r^2 - |c|^2) through the back of the eyeball, by least squares.
            fitted = np.linalg.lstsq(np.c_[2 * back, np.ones(len(back))], (back**2).sum(1), rcond=None)[0]
            # A tenth of what the plain mean of the vertices would be off.
            assert np.linalg.norm(fitted[:3] - centre) < 0.0005
    moved = np.linalg.norm(turned(ict_head, "eye_l", 0.3) - ict_head.template, axis=1) > 1e-6
    assert set(np.flatnonzero(moved)) == set(np.flatnonzero(ict_head.skin_weights[:, JOINTS.index("eye_l")]))


def test_the_neck_carries_the_head_and_leaves_the_shoulders(ict_head):
    moved = np.linalg.norm(turned(ict_head, "neck", 0.3) - ict_head.template, axis=1)
    assert moved[of_region(ict_head, "face")].min() > 0
    assert moved[ict_head.template[:, 1] < -0.16].max() == 0


def test_regions_cover_what_they_name(ict_head):
    regions = ict_head.regions
    assert {"skin", "face", "mouth", "teeth", "eyes", "neck"} <= set(regions)
    assert (regions["face"] <= regions["skin"]).all() and (regions["neck"] <= regions["skin"]).all()
    for one, other in (("face", "neck"), ("skin", "mouth"), ("skin", "eyes"), ("mouth", "teeth")):
        assert not (regions[one] & regions[other]).any()
    points = set(ict_head.landmark_triangles.ravel())
    assert points <= set(of_region(ict_head, "skin"))


def test_no_two_triangles_share_a_texel(ict_head):
    side = 4096
    corners = ict_head.uv[ict_head.faces_uv].astype(np.float64)
    assert corners.min() >= 0 and corners.max() <= 1
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    texels = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2 * side**2
    large = np.flatnonzero(texels > 16)
    assert len(large) > 0.9 * len(corners)
    # Every triangle is drawn at half its size; one that another covers loses its middle to whichever comes later.
    middle = corners.mean(1, keepdims=True)
    drawn = np.full((side, side), -1, np.int32)
    halved = np.rint((middle + (corners - middle) / 2) * side).astype(np.int32)
    for index in large:
        cv2.fillConvexPoly(drawn, halved[index], (int(index),))
    columns, rows = np.rint(middle[large, 0] * side).astype(int).T
    there = drawn[rows, columns]
    covered = (there >= 0) & (there != large)
    # The rounding of corners may cost a sliver its middle, but only to a neighbour.
    neighbours = (ict_head.faces_uv[large, :, None] == ict_head.faces_uv[there][:, None, :]).any((1, 2))
    assert neighbours[covered].all() and covered.mean() < 0.05


@pytest.fixture(scope="module")
def blank() -> dict[str, np.ndarray]:
    """Arrays of the right names, sizes and kinds, without a head in them."""
    return {
        "v_template": np.zeros((VERTICES, 3), np.float32),
        "expr": np.zeros((1, VERTICES, 3), np.float16),
        "expr_names": np.array(["jawOpen"]),
        "shape": np.zeros((2, VERTICES, 3), np.float16),
        "quads": np.zeros((POLYGONS, 4), np.int32),
        "tris": np.zeros((TRIANGLES, 3), np.int32),
        "tris_uv": np.zeros((TRIANGLES, 3), np.int32),
        "tri_src": np.zeros(TRIANGLES, np.int32),
        "uv": np.zeros((CORNERS, 2), np.float32),
    }


def test_sizes_alone_are_accepted(tmp_path, blank):
    np.savez(tmp_path / "head.npz", **blank)
    assert read_npz(tmp_path / "head.npz", 2).expression_names == ("jawOpen",)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("v_template", np.zeros((VERTICES - 1, 3), np.float32), "v_template is float32"),
        ("v_template", np.full((VERTICES, 3), np.nan, np.float32), "template of ICT-FaceKit holds numbers"),
        ("v_template", np.asfortranarray(np.zeros((VERTICES, 3), np.float32)), "v_template is float32"),
        ("expr", np.zeros((2, VERTICES, 3), np.float16), "expr is float16"),
        ("expr", np.zeros((1, VERTICES, 3), np.int16), "expr is int16"),
        ("expr_names", np.array(["smile"]), "no expression jawOpen"),
        ("expr_names", np.array([["jawOpen"]]), "expr_names is"),
        ("tris", np.full((TRIANGLES, 3), VERTICES, np.int32), "triangles of ICT-FaceKit points outside"),
        ("tris_uv", np.full((TRIANGLES, 3), -1, np.int32), "triangles_uv of ICT-FaceKit points outside"),
        ("quads", np.full((POLYGONS, 4), -2, np.int32), "polygons of ICT-FaceKit points outside"),
        ("uv", np.zeros(CORNERS, np.float32), "uv is float32"),
        ("v_template", np.full((VERTICES, 3), 1e300), "template of ICT-FaceKit reaches 1e"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, blank, field, value, told):
    np.savez(tmp_path / "head.npz", **{**blank, field: value})
    with pytest.raises(LikenessError, match=told):
        load_ict(tmp_path / "head.npz")


class Exploit:
    """Unpickled, it would make a folder."""

    def __init__(self, place: Path):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


def test_pickled_arrays_are_never_opened(tmp_path, blank):
    hostile = np.empty(1, object)
    hostile[0] = Exploit(tmp_path / "broken into")
    np.savez(tmp_path / "head.npz", **{**blank, "expr_names": hostile})
    with pytest.raises(LikenessError, match="expr_names is object"):
        load_ict(tmp_path / "head.npz")
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(Exploit(tmp_path / "broken into")))
    with pytest.raises(LikenessError, match="not ICT-FaceKit as an"):
        load_ict(tmp_path / "pickle.npz")
    assert not (tmp_path / "broken into").exists()


def test_a_file_that_is_cut_off_or_missing_is_refused(tmp_path, blank):
    np.savez(tmp_path / "head.npz", **blank)
    whole = (tmp_path / "head.npz").read_bytes()
    for part in (0, 10, len(whole) // 2, len(whole) - 10):
        (tmp_path / "cut.npz").write_bytes(whole[:part])
        with pytest.raises(LikenessError, match="not ICT-FaceKit as an"):
            load_ict(tmp_path / "cut.npz")
    with pytest.raises(LikenessError, match="There is no head model"):
        load_ict(tmp_path / "nothing.npz")


def test_an_array_that_promises_more_than_the_file_takes_no_memory(tmp_path, blank):
    np.savez(tmp_path / "small.npz", **blank)
    header = (
        b"\x93NUMPY\x01\x00v\x00"
        + repr({"descr": "<f2", "fortran_order": False, "shape": (10**9, VERTICES, 3)}).encode().ljust(117)
        + b"\n"
    )
    with zipfile.ZipFile(tmp_path / "small.npz") as old, zipfile.ZipFile(tmp_path / "huge.npz", "w") as new:
        for name in old.namelist():
            new.writestr(name, header if name == "shape.npy" else old.read(name))
    with pytest.raises(LikenessError, match="shape is float16 of the shape"):
        load_ict(tmp_path / "huge.npz")


def test_many_identities_take_no_memory(tmp_path, blank):
    deflated = tmp_path / "many.npz"
    np.savez_compressed(deflated, **{**blank, "shape": np.zeros((MAXIMUM_IDENTITIES + 1, VERTICES, 3), np.float16)})
    with pytest.raises(LikenessError, match=r"shape is float16 of the shape \(129, "):
        load_ict(deflated)
    wide = np.dtype(np.longdouble)
    if wide.itemsize > 8:  # Not on every system.
        np.savez_compressed(deflated, **{**blank, "shape": np.zeros((2, VERTICES, 3), wide)})
        with pytest.raises(LikenessError, match=f"shape is {wide}"):
            load_ict(deflated)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_in_another_compression_is_refused(tmp_path, blank, compression):
    np.savez(tmp_path / "stored.npz", **blank)
    with zipfile.ZipFile(tmp_path / "stored.npz") as old, zipfile.ZipFile(tmp_path / "a.npz", "w", compression) as new:
        new.writestr("expr_names.npy", old.read("expr_names.npy"))
        for name in sorted({*old.namelist()} - {"expr_names.npy"}):
            new.writestr(name, b"")
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[:60] + b"\xff" * 20 + whole[80:])
    with pytest.raises(LikenessError, match="in a compression that no file of arrays has"):
        load_ict(tmp_path / "a.npz")


def test_a_header_that_nests_deeply_is_refused(tmp_path, blank):
    np.savez(tmp_path / "sound.npz", **blank)
    header = b"\x93NUMPY\x01\x00" + (9002).to_bytes(2, "little") + b"-" * 9000 + b"1\n"
    with zipfile.ZipFile(tmp_path / "sound.npz") as old, zipfile.ZipFile(tmp_path / "deep.npz", "w") as new:
        for name in old.namelist():
            new.writestr(name, header if name == "shape.npy" else old.read(name))
    with pytest.raises(LikenessError, match="not ICT-FaceKit as an"):
        load_ict(tmp_path / "deep.npz")


def test_triangles_must_lie_on_every_part(tmp_path, shared_data):
    with np.load(shared_data / "ict_facekit.npz", allow_pickle=False) as file:
        arrays = dict(file)
    for part in ("eyeball_L", "face"):
        all_on_one = np.full(TRIANGLES, PARTS[part].polygons.start, np.int32)
        np.savez(tmp_path / "head.npz", **{**arrays, "tri_src": all_on_one})
        with pytest.raises(LikenessError, match="gives no triangle to"):
            load_ict(tmp_path / "head.npz")


def write_obj(path: Path, vertices: np.ndarray, rest: str = "") -> None:
    lines = (f"v {x:.7f} {y:.7f} {z:.7f}" for x, y, z in vertices.tolist())
    path.write_text("\n".join(lines) + "\n" + rest)


@pytest.fixture
def checkout(tmp_path, shared_data) -> Path:
    """The .obj files of ICT-FaceKit's repository, all identities but the first without any shape."""
    source = read_npz(shared_data / "ict_facekit.npz", IDENTITY_MODES)
    with np.load(shared_data / "ict_facekit.npz", allow_pickle=False) as arrays:
        polygons_uv = arrays["quads_uv"]
    folder = tmp_path / "ICT-FaceKit" / "FaceXModel"
    folder.mkdir(parents=True)
    texture = "\n".join(f"vt {u:.7f} {v:.7f}" for u, v in source.uv.tolist())
    faces = "\n".join(
        "f " + " ".join(f"{v + 1}/{t + 1}/{v + 1}" for v, t in zip(row, row_uv, strict=True) if v >= 0)
        for row, row_uv in zip(source.polygons.tolist(), polygons_uv.tolist(), strict=True)
    )
    write_obj(folder / "generic_neutral_mesh.obj", source.template, f"{texture}\n{faces}\n")
    write_obj(folder / "jawOpen.obj", source.template + source.expression("jawOpen"))
    write_obj(folder / "identity000.obj", source.template + source.identity_basis[0].astype(float))
    for mode in range(1, IDENTITY_MODES):
        os.link(folder / "generic_neutral_mesh.obj", folder / f"identity{mode:03d}.obj")
    (folder / "vertex_indices.json").write_text(json.dumps({"expressions": ["jawOpen"]}))
    return folder


def test_a_checkout_is_the_same_head(checkout, ict_head):
    head = load_ict(checkout.parent)
    # A step of float32 at 0.25 m is 3e-8, more than what seven digits of text in centimetres lose; displacements
    # were rounded to float16 once more.
    assert np.abs(head.template - ict_head.template).max() < 4e-8
    jaw_open = ict_head.expression_basis[ict_head.expression_names.index("jawOpen")]
    assert np.abs(head.expression_basis[0] - jaw_open).max() < 2 * FLOAT16_STEP * np.abs(jaw_open).max()
    assert np.abs(head.identity_basis[0] - ict_head.identity_basis[0]).max() < 2 * FLOAT16_STEP * 0.02
    assert (head.identity_basis[1:] == 0).all()
    assert (head.faces == ict_head.faces).all() and np.abs(head.uv - ict_head.uv).max() < 1e-6
    assert np.abs(head.skin_weights - ict_head.skin_weights).max() < 1e-3


def test_a_missing_or_short_identity_is_named(checkout):
    template = read_checkout(checkout, 1).template
    (checkout / "identity007.obj").unlink()
    with pytest.raises(LikenessError, match=r"identity007\.obj of ICT-FaceKit cannot be read"):
        load_ict(checkout)
    write_obj(checkout / "identity007.obj", template[:-1])
    with pytest.raises(LikenessError, match=r"identity007\.obj has 26718 v lines"):
        load_ict(checkout)


@pytest.mark.parametrize(
    "corner", [f"{10**30}/1/1", f"{2**32 + 1}/1/1", "0/1/1", "-1/1/1", "1/99999999/1", "1", "1/1 1/1 1/1 1/1 1/1"]
)
def test_a_polygon_must_lie_on_the_mesh(checkout, corner):
    before, _, after = (checkout / "generic_neutral_mesh.obj").read_text().partition("\nf ")
    rest = after.partition(" ")[2]
    (checkout / "generic_neutral_mesh.obj").write_text(f"{before}\nf {corner} {rest}")
    with pytest.raises(LikenessError, match="holds a polygon that cannot be read"):
        load_ict(checkout)


@pytest.mark.parametrize(
    ("told", "clause"),
    [
        ('{"expressions": ["../secret"]}', "no file names"),
        ('{"expressions": ["\\ud800"]}', "no file names"),
        ('{"expressions": ["a\\u0000b"]}', "no file names"),
        ('{"expressions": [1]}', "no file names"),
        ('{"expressions": "jawOpen"}', "no file names"),
        ('{"expressions": []}', "no file names"),
        ("[]", "no list of expressions"),
        ("{}", "no list of expressions"),
        ("[" * 100_000, "no list of expressions"),
        (" " * (MAXIMUM_SETTINGS_BYTES + 1), "bytes"),
    ],
)
def test_a_list_of_expressions_must_name_files(tmp_path, told, clause):
    (tmp_path / "generic_neutral_mesh.obj").write_text("")
    (tmp_path / "vertex_indices.json").write_text(told)
    with pytest.raises(LikenessError, match=rf"vertex_indices\.json .*{clause}"):
        load_ict(tmp_path)


def test_a_list_of_expressions_that_never_ends_is_not_read(tmp_path):
    (tmp_path / "generic_neutral_mesh.obj").write_text("")
    (tmp_path / "vertex_indices.json").symlink_to("/dev/zero")
    with pytest.raises(LikenessError, match=r"vertex_indices\.json of ICT-FaceKit cannot be read"):
        load_ict(tmp_path)


def test_a_folder_without_a_head_is_refused(tmp_path):
    with pytest.raises(LikenessError, match=r"generic_neutral_mesh\.obj is missing"):
        load_ict(tmp_path)
