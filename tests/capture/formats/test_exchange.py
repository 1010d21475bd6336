"""Other people's data sets become captures that show every point where they show it, and captures become data sets."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_sets import (
    SIDE,
    Truth,
    draw,
    semantics_of,
    truth,
    write_imavatar_clip,
    write_insta_set,
    write_semantics,
    write_tracked,
)
from flame import flame_arrays
from likeness.capture.formats.exchange import export_capture, format_of, import_capture
from likeness.capture.formats.flame_frames import capture_of, flame_frames_of
from likeness.capture.formats.imavatar import read_imavatar
from likeness.capture.formats.insta import read_insta, read_obj_vertices
from likeness.capture.formats.metrical_tracker import read_metrical_tracker
from likeness.capture.model import Capture
from likeness.capture.sample import sample_capture
from likeness.capture.storage import load_capture, load_frame, load_matte
from likeness.cli.main import main
from likeness.errors import LikenessError
from likeness.head.flame_joints import joint_drift
from likeness.head.standin import standin
from likeness.head.storage import save_head
from likeness.rig import rotation_matrices
from PIL import Image

FRAMES = 6
PIXEL = 0.01
"""Largest error of a projected point, pixels of a picture of 512: what the readers promise."""


def seen(capture: Capture, frame: int) -> np.ndarray:
    """Where the capture shows the head model's vertices, pixels."""
    return capture.camera(frame).project(capture.head.posed(capture.pose(frame), capture.identity))


def errors(capture: Capture, head: Truth, order: tuple[int, ...] | None = None) -> tuple[float, float]:
    """Largest errors, pixels, of what follows the neck and the eyes, and of what follows the jaw."""
    weights = flame_arrays()["weights"]
    neck, jaw = weights[:, 1] > 0.999, weights[:, 2] > 0.5
    off = [
        np.linalg.norm(seen(capture, frame) - head.pixels(source), axis=1)
        for frame, source in enumerate(order or range(len(capture)))
    ]
    return max(e[neck].max() for e in off), max(e[jaw].max() for e in off)


def jaw_allowance(capture: Capture, head: Truth) -> float:
    """How far, pixels, the jaw's pivot drifts with the expression, which a rig leaves out; see flame_joints."""
    drift = joint_drift(capture.head, head.expression)[:, 2]
    turn = np.eye(3) - rotation_matrices(head.pose[:, 2])
    return 1500 / 1.2 * np.linalg.norm(np.einsum("nab,nb->na", turn, drift), axis=1).max()


def check(capture: Capture, head: Truth) -> None:
    neck, jaw = errors(capture, head)
    assert neck < PIXEL
    assert jaw < jaw_allowance(capture, head) + PIXEL
    # The world is the head's own space at rest: the camera stands still and the root moves little.
    assert (capture.camera_to_world == capture.camera_to_world[0]).all()
    assert np.abs(capture.root_rotation.mean(0)).max() < 0.05 and np.abs(capture.root_translation.mean(0)).max() < 0.02


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("signs", [(-1, 1, 1), (1, 1, 1), (1, 1, -1), (-1, -1, 1), (-1, 1, -1)])
def test_imavatar_is_seen_alike_whatever_the_signs_and_units_of_its_camera(flame_head, tmp_path, old, signs):
    head = truth(2, root=0.3, neck=0.2, camera=0.1)
    frames = read_imavatar(write_imavatar_clip(tmp_path / "clip", head, old, signs), flame_head)
    check(capture_of(frames, flame_head, 25.0, ".png"), head)


@pytest.mark.parametrize("tensors", [False, True])
def test_metrical_tracker_is_seen_alike(flame_head, tmp_path, tensors):
    head = truth(FRAMES, camera=0.3)
    frames = read_metrical_tracker(write_tracked(tmp_path / "actor", head, tensors), flame_head)
    check(capture_of(frames, flame_head, 25.0, ".jpg"), head)
    # Its numbers are kept in single precision.
    assert np.abs(frames.pose - head.pose).max() < 1e-6


def test_insta_gets_identity_jaw_and_eyes_from_its_meshes(flame_head, tmp_path):
    head = truth(FRAMES, camera=0.3)
    frames = read_insta(write_insta_set(tmp_path / "insta", head), flame_head)
    check(capture_of(frames, flame_head, 25.0, ".jpg"), head)
    # Meshes are written to a hundredth of a micrometre; an eyeball's radius is 12 mm.
    assert np.abs(frames.pose - head.pose).max() < 1e-5
    assert frames.held_out == (FRAMES - 2, FRAMES - 1)
    assert [picture.picture.stem for picture in frames.pictures] == [f"{frame:05d}" for frame in range(FRAMES)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("subject")
    return write_imavatar_clip(folder / "clip", truth(FRAMES, root=0.2, neck=0.3))


@pytest.fixture(scope="module")
def capture(clip, flame_head, tmp_path_factory) -> Capture:
    out = tmp_path_factory.mktemp("captures") / "capture"
    import_capture(clip, flame_head, out, held_out_part=0.34, frame_rate=30, landmarks=False)
    return load_capture(out)


def test_a_capture_on_disk_shows_the_same_and_has_the_same_pictures(capture, clip):
    check(capture, truth(FRAMES, root=0.2, neck=0.3))
    assert capture.held_out == (4, 5) and capture.frame_rate == 30 and np.isnan(capture.landmarks).all()
    assert capture.provenance["format"] == "IMavatar" and "FLAME" in capture.provenance["head"]
    assert (clip / "image/3.png").read_bytes() == (capture.folder / capture.frames[2]).read_bytes()
    assert (load_matte(capture, 2)[40:440, 40:470] == 255).all() and load_matte(capture, 2)[0, 0] == 0


@pytest.mark.parametrize("kind", ["imavatar", "insta"])
def test_round_trips_leave_every_point_and_pixel_where_it_is(capture, flame_head, tmp_path, kind):
    assert export_capture(capture, tmp_path / kind, kind) == {}
    again = import_capture(tmp_path / kind, flame_head, tmp_path / "again", landmarks=False)
    # IMavatar's clips come in the order of their names, the test clip first.
    order = (4, 5, 0, 1, 2, 3) if kind == "imavatar" else tuple(range(FRAMES))
    for frame, source in enumerate(order):
        assert np.linalg.norm(seen(again, frame) - seen(capture, source), axis=1).max() < PIXEL
        assert np.abs(load_matte(again, frame).astype(int) - load_matte(capture, source)).max() == 0
        # INSTA's pictures are transparent, so frames are encoded anew, as JPEG.
        off = np.abs(load_frame(again, frame).astype(int) - load_frame(capture, source)).max()
        assert off <= (0 if kind == "imavatar" else 3)
    assert {order[index] for index in again.held_out} == {4, 5}
    np.testing.assert_allclose(again.intrinsics, capture.intrinsics, rtol=1e-6)


def test_an_exported_clip_is_what_peers_expect(capture, tmp_path):
    export_capture(capture, tmp_path / "out", "imavatar")
    description = json.loads((tmp_path / "out/train/flame_params.json").read_text())
    fx, fy, cx, cy = description["intrinsics"]
    assert fx == pytest.approx(-1500 / 512) and fy == pytest.approx(1500 / 512) and 0.4 < cx < 0.6 and 0.4 < cy < 0.6
    assert len(description["shape_params"]) == 100 and len(description["frames"]) == 4
    for number, entry in enumerate(description["frames"], 1):
        assert entry["file_path"] == f"./image/{number}"
        matrix = np.array(entry["world_mat"])
        assert matrix.shape == (3, 4) and (matrix[:, :3] == np.eye(3)).all() and -7 < matrix[2, 3] < -4
        assert len(entry["expression"]) == 50 and len(entry["pose"]) == 15
        points = np.array(entry["flame_keypoints"])
        assert points.shape == (70, 2) and np.abs(points).max() < 1
        assert entry["bbox"] == [*points.min(0), *points.max(0)]
        # In the picture: brows over nose over chin; the subject's right is on the left.
        assert points[19, 1] < points[30, 1] < points[8, 1] and points[36, 0] < points[45, 0]
        assert points[68, 0] < points[69, 0]
    labels = np.asarray(Image.open(tmp_path / "out/train/semantic/1.png"))
    nose = np.array(description["frames"][0]["flame_keypoints"])[30]
    x, y = ((nose + 1) / 2 * SIDE).astype(int)
    assert labels[y, x] == 1 and labels[0, 0] == 0 and labels.shape == (SIDE, SIDE)


def test_an_exported_insta_set_is_what_peers_expect(capture, tmp_path):
    export_capture(capture, tmp_path / "out", "insta")
    whole = json.loads((tmp_path / "out/transforms.json").read_text())
    assert len(whole["frames"]) == FRAMES and all(isinstance(whole[name], float) for name in ("w", "h", "fl_x", "cx"))
    parts = {n: json.loads((tmp_path / f"out/transforms_{n}.json").read_text()) for n in ("train", "test", "val")}
    assert [len(part["frames"]) for part in parts.values()] == [4, 2, 2]
    entry = whole["frames"][0]
    matrix = np.array(entry["transform_matrix"])
    points = read_obj_vertices(tmp_path / "out" / entry["mesh_path"])
    in_camera = (points - matrix[:3, 3]) @ matrix[:3, :3]
    assert (in_camera[:, 2] > 0).all()  # OpenCV's camera looks along +z.
    depth = np.asarray(Image.open(tmp_path / "out" / entry["depth_path"]))
    x = (whole["cx"] + whole["fl_x"] * in_camera[:, 0] / in_camera[:, 2]).astype(int)
    y = (whole["cy"] + whole["fl_y"] * in_camera[:, 1] / in_camera[:, 2]).astype(int)
    nose = in_camera[:3931, 2].argmin()
    assert abs(depth[y[nose], x[nose]] - 1000 * in_camera[nose, 2]) < 3
    mask = np.asarray(Image.open(tmp_path / "out" / entry["seg_mask_path"]))
    assert mask[y[nose], x[nose]].tolist() == [250, 0, 0]
    assert len((tmp_path / "out" / entry["exp_path"]).read_text().split()) == 100


def test_what_a_format_cannot_hold_is_told(capture, tmp_path):
    expression = capture.expression.copy()
    expression[0, 60] = 2.0
    told = export_capture(replace(capture, expression=expression), tmp_path / "out", "imavatar")
    assert "mm" in told["expression"]


def test_clips_called_test_are_held_out(clip, flame_head, tmp_path):
    tmp_path = tmp_path / "subject" / "subject"
    tmp_path.mkdir(parents=True)
    for name in ("train", "test"):
        (tmp_path / name).symlink_to(clip)
    for folder in (tmp_path, tmp_path.parent):  # Archives hold subject/subject/clip.
        frames = read_imavatar(folder, flame_head)
        assert len(frames.pictures) == 2 * FRAMES and frames.held_out == tuple(range(FRAMES))


def test_without_masks_labels_and_without_labels_transparency_make_the_matte(clip, flame_head, tmp_path):
    shutil.copytree(clip, tmp_path / "clip")
    shutil.rmtree(tmp_path / "clip/mask")
    write_semantics(tmp_path / "clip", FRAMES)
    made = import_capture(tmp_path / "clip", flame_head, tmp_path / "out", landmarks=False)
    np.testing.assert_array_equal(load_matte(made, 0), np.where(semantics_of(0) > 0, 255, 0))
    shutil.rmtree(tmp_path / "clip/semantic")
    for frame in range(FRAMES):
        draw(tmp_path / "clip", f"image/{frame + 1}.png", frame, "RGBA")
    made = import_capture(tmp_path / "clip", flame_head, tmp_path / "out", landmarks=False, overwrite=True)
    assert load_matte(made, 0)[200, 200] == 255 and load_matte(made, 0)[0, 0] == 0
    assert made.frames[0].endswith(".jpg")


def test_only_flame_can_carry_flames_parameters(clip, capture, tmp_path):
    with pytest.raises(LikenessError, match="'standin' head cannot"):
        import_capture(clip, standin(), tmp_path / "out")
    with pytest.raises(LikenessError, match="'standin' head cannot"):
        export_capture(replace(capture, head=standin()), tmp_path / "out", "imavatar")
    assert not (tmp_path / "out").exists()


def test_landmarks_are_looked_for_in_the_pictures(flame_head, tmp_path):
    # The built-in head's pictures, for MediaPipe must see a face; FLAME is put where that head is.
    sample = sample_capture()
    frames = flame_frames_of(replace(sample, head=flame_head, identity=np.zeros(0, np.float32)), 50, 0)
    clip = tmp_path / "clip"
    entries = []
    for number in (1, 2):
        for folder, source in (
            ("image", sample.folder / sample.frames[number]),
            ("mask", sample.folder / sample.mattes[number]),
        ):
            (clip / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(source, clip / folder / f"{number}{source.suffix}")
        matrix = frames.world_to_camera[number, :3] * [1, 1, 1, 4]
        entries.append(
            {
                "file_path": f"./image/{number}",
                "world_mat": matrix.tolist(),
                "expression": [0.0] * 50,
                "pose": frames.pose[number].ravel().tolist(),
            }
        )
    fx, fy, cx, cy = (frames.intrinsics / sample.width).tolist()
    (clip / "flame_params.json").write_text(
        json.dumps({"frames": entries, "intrinsics": [-fx, fy, cx, cy], "shape_params": [0.0] * 100})
    )
    made = import_capture(clip, flame_head, tmp_path / "out", held_out_part=0)
    off = np.linalg.norm(made.landmarks[:, :468] - sample.landmarks[1:3, :468], axis=2)
    # MediaPipe on the built-in head against its own points: a hundredth of the picture.
    assert off.mean() < 0.01 * sample.width


def test_any_capture_can_be_written_as_insta(tmp_path):
    sample = sample_capture()
    few = replace(
        sample,
        frames=sample.frames[:2],
        mattes=sample.mattes[:2],
        held_out=(),
        **{
            name: getattr(sample, name)[:2]
            for name in ("camera_to_world", "expression", "root_rotation", "root_translation", "joint_rotations")
        },
    )
    assert "standin" in export_capture(few, tmp_path / "out", "insta")["head"]
    assert (tmp_path / "out/canonical.obj").is_file()


def test_the_format_is_found_or_what_is_known_is_told(tmp_path, clip):
    assert format_of(clip) == format_of(clip.parent) == "imavatar"
    (tmp_path / "transforms_train.json").write_text("{}")
    assert format_of(tmp_path) == "insta"
    (tmp_path / "tracked/checkpoint").mkdir(parents=True)
    (tmp_path / "tracked/checkpoint/00000.frame").write_bytes(b"")
    assert format_of(tmp_path / "tracked") == "metrical-tracker"
    with pytest.raises(LikenessError, match="IMavatar, PointAvatar"):
        format_of(clip / "image")
    with pytest.raises(LikenessError, match="no folder"):
        format_of(tmp_path / "nowhere")


def edited(clip: Path, out: Path, change) -> Path:
    """A clip of whose description something is changed."""
    out.mkdir()
    for name in ("image", "mask"):
        shutil.copytree(clip / name, out / name)
    description = json.loads((clip / "flame_params.json").read_text())
    change(description)
    (out / "flame_params.json").write_text(json.dumps(description))
    return out


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        (lambda d: d.pop("frames"), "'frames'"),
        (lambda d: d.update(frames=[]), "'frames'"),
        (lambda d: d.update(frames=[1]), "'frames'"),
        (lambda d: d.pop("intrinsics"), "'intrinsics'"),
        (lambda d: d.update(intrinsics=[0, 1, 0.5, 0.5]), "zero"),
        (lambda d: d.update(intrinsics=["-3", "3", "0.5", "0.5"]), "'intrinsics'"),
        (lambda d: d.update(shape_params=[1.0] * 500), "500"),
        (lambda d: d["frames"][0].update(pose=[0] * 14), "'pose'"),
        (lambda d: d["frames"][0].update(pose=[float("nan")] * 15), "'pose'"),
        (lambda d: d["frames"][0].update(expression=[0] * 49), "different numbers"),
        (lambda d: d["frames"][1].update(expression=[[0] * 50]), "'expression'"),
        (lambda d: d["frames"][0].update(world_mat=np.ones((3, 4)).tolist()), "rigid"),
        (lambda d: d["frames"][0]["world_mat"][2].__setitem__(3, 4.0), "behind"),
        (lambda d: d["frames"][0].update(file_path="/etc/passwd"), "leads out"),
        (lambda d: d["frames"][0].update(file_path="../../secret"), "leads out"),
        (lambda d: d["frames"][0].update(file_path="./image/99"), "99"),
        (lambda d: d["frames"][0].update(file_path=7), "file name"),
        (lambda d: d["frames"][0].update(file_path="image/" + 300 * "a"), "file name"),
        (lambda d: d["frames"][0].update(file_path="image/1\nTrust me"), "file name"),
        (lambda d: d.update(intrinsics=[-1500, 1500, 256, 0.5]), "check its units"),
        (lambda d: d.update(intrinsics=[-3e-9, 3e-9, 0.5, 0.5]), "check its units"),
        (lambda d: d.update(intrinsics=[-3, 3, 0.5, -90]), "check its units"),
        (lambda d: d["frames"][0].update(pose=[1e5] * 15), "absurdly large"),
        (lambda d: d["frames"][0].update(expression=[1e5] * 50), "absurdly large"),
        (lambda d: d.update(shape_params=[]), "empty"),
        (lambda d: d["frames"][0]["world_mat"].append([0, 0, 0, 5]), "last row"),
    ],
)
def test_each_fault_of_a_description_is_told_in_one_sentence(clip, flame_head, tmp_path, change, clause):
    folder = edited(clip, tmp_path / "clip", change)
    with pytest.raises(LikenessError) as told:
        read_imavatar(folder, flame_head)
    assert clause in str(told.value) and str(tmp_path) in str(told.value) and "\n" not in str(told.value)


def test_old_intrinsics_in_pixels_of_512_fit_pictures_of_any_size(flame_head, tmp_path):
    head = truth(2)
    clip = write_imavatar_clip(tmp_path / "clip", head, old=True)
    for place in (*clip.glob("image/*"), *clip.glob("mask/*")):
        Image.open(place).resize((300, 300)).save(place)
    made = import_capture(clip, flame_head, tmp_path / "out", landmarks=False)
    neck = flame_arrays()["weights"][:, 1] > 0.999
    for frame in range(2):
        off = seen(made, frame) - head.pixels(frame) * 300 / SIDE
        assert np.linalg.norm(off[neck], axis=1).max() < PIXEL


@pytest.mark.parametrize("name", ["image/2.png", "mask/2.png"])
def test_half_a_picture_is_told_and_leaves_no_capture(clip, flame_head, tmp_path, name):
    folder = edited(clip, tmp_path / "clip", lambda d: None)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(LikenessError, match=r"2\.png is a damaged picture"):
        import_capture(folder, flame_head, tmp_path / "out", landmarks=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["image/2.png", "mask/2.png"])
def test_a_link_to_a_picture_elsewhere_is_refused(clip, flame_head, tmp_path, name):
    folder = edited(clip, tmp_path / "clip", lambda d: None)
    (folder / name).rename(tmp_path / "secret.png")
    (folder / name).symlink_to(tmp_path / "secret.png")
    with pytest.raises(LikenessError, match="leads out"):
        read_imavatar(folder, flame_head)


def test_a_mask_of_16_bits_keeps_its_soft_edge(clip, flame_head, tmp_path):
    folder = edited(clip, tmp_path / "clip", lambda d: None)
    soft = np.linspace(0, 65535, SIDE).astype(np.uint16)
    Image.fromarray(np.tile(soft, (SIDE, 1))).save(folder / "mask/1.png")
    made = import_capture(folder, flame_head, tmp_path / "out", landmarks=False)
    # Rounded to 8 bits: off by half a step of 1/255.
    assert np.abs(load_matte(made, 0)[0] / 255 - soft / 65535).max() <= 0.5 / 255 + 1e-6


def renamed_to(kind: str, path: Path) -> None:
    """Keep a picture under its name, but in another format."""
    with Image.open(path) as image:
        image.load()
        image.save(path, kind)


@pytest.mark.parametrize("frames", [[1], [2], list(range(1, FRAMES + 1))], ids=["first", "second", "all"])
def test_pictures_whose_names_lie_about_their_format_are_converted(clip, flame_head, tmp_path, frames):
    folder = edited(clip, tmp_path / "clip", lambda d: None)
    write_semantics(folder, FRAMES)
    for frame in frames:
        renamed_to("JPEG", folder / f"image/{frame}.png")
        renamed_to("JPEG", folder / f"mask/{frame}.png")
    made = import_capture(folder, flame_head, tmp_path / "out", landmarks=False)
    assert made.frames[0].endswith(".png" if frames == [2] else ".jpg")
    truthful = import_capture(clip, flame_head, tmp_path / "truthful", landmarks=False)
    for frame in range(FRAMES):
        # Compressed once or twice.
        assert np.abs(load_frame(made, frame).astype(int) - load_frame(truthful, frame)).mean() < 5
        assert np.abs(load_matte(made, frame).astype(int) - load_matte(truthful, frame)).mean() < 5


def test_a_png_that_is_named_jpg_is_converted(clip, flame_head, tmp_path):
    folder = tmp_path / "clip"
    shutil.copytree(clip, folder)
    for path in sorted((folder / "image").iterdir()):
        path.rename(path.with_suffix(".jpg"))
    made = import_capture(folder, flame_head, tmp_path / "out", landmarks=False)
    assert made.frames[0].endswith(".jpg") and load_frame(made, 0).shape == (SIDE, SIDE, 3)


def test_labels_that_are_a_jpeg_are_refused_whatever_their_name(clip, flame_head, tmp_path):
    folder = edited(clip, tmp_path / "clip", lambda d: None)
    write_semantics(folder, FRAMES)
    renamed_to("JPEG", folder / "semantic/2.png")
    with pytest.raises(LikenessError, match=r"2\.png is a JPEG, which blurs class numbers"):
        import_capture(folder, flame_head, tmp_path / "out", landmarks=False)


def test_what_mattes_are_made_of_is_told(clip, flame_head, tmp_path):
    made = import_capture(clip, flame_head, tmp_path / "all", landmarks=False)
    assert made.provenance["mattes"] == "masks of the data set"
    folder = edited(clip, tmp_path / "clip", lambda d: None)
    (folder / "mask/2.png").unlink()
    draw(folder, "image/2.png", 1, "RGBA")
    made = import_capture(folder, flame_head, tmp_path / "some", landmarks=False)
    assert made.provenance["mattes"] == (
        f"masks of the data set ({FRAMES - 1} of {FRAMES} frames); transparency of its pictures (1 of {FRAMES} frames)"
    )


def test_the_command_line_imports_tells_and_exports(clip, flame_head, tmp_path, capsys, monkeypatch):
    save_head(flame_head, tmp_path / "flame.safetensors")
    out = str(tmp_path / "capture")
    words = ["capture", "import", str(clip), out, "--head", str(tmp_path / "flame.safetensors"), "--no-landmarks"]
    assert main([*words, "--consent", "given in writing"]) == 0
    assert main(words) == 1 and "already holds a capture" in capsys.readouterr().err
    assert main(["capture", "info", out]) == 0
    told = capsys.readouterr().out
    assert "6 frames of 512x512" in told and "given in writing" in told and "still camera" in told
    assert main(["capture", "export", out, str(tmp_path / "insta"), "--format", "insta"]) == 0
    assert (tmp_path / "insta/transforms_train.json").is_file()
    assert main(["capture", "export", out, str(tmp_path / "insta"), "--format", "insta"]) == 1
    assert "is already there" in capsys.readouterr().err
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["capture", "export", out, ".", "--format", "insta"]) == 1
    assert "while a command runs in it" in capsys.readouterr().err
    assert (tmp_path / "here").is_dir() and not any((tmp_path / "here").iterdir())
