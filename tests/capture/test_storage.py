"""A capture survives the disk unchanged, and a damaged or hostile one is refused by name."""

import json
import os
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from likeness.capture.model import Capture
from likeness.capture.pictures import MAXIMUM_SIDE
from likeness.capture.storage import (
    load_capture,
    load_frame,
    load_matte,
    picture_names,
    put_in_place,
    write_capture,
)
from likeness.errors import LikenessError
from likeness.head.model import HeadModel
from likeness.head.standin import standin
from likeness.head.storage import NEVER_EMPTY, REGIONS
from PIL import Image
from safetensors.numpy import load_file, save_file

FRAMES, EXPRESSIONS, WIDTH, HEIGHT = 3, 2, 24, 16
PARAMETERS = ("identity", "expression", "root_rotation", "root_translation", "joint_rotations", "landmarks")


def tetrahedron_head() -> HeadModel:
    random = np.random.default_rng(0)
    template = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32) / 8
    return HeadModel(
        name="tetrahedron",
        template=template,
        identity_basis=np.zeros((1, 4, 3), np.float32),
        expression_names=("one", "two"),
        expression_basis=random.normal(0, 0.01, (EXPRESSIONS, 4, 3)).astype(np.float32),
        expression_range=np.tile(np.array([0, 1], np.float32), (EXPRESSIONS, 1)),
        pose_correctives=np.zeros((36, 4, 3), np.float32),
        joint_regressor=np.full((5, 4), 0.25, np.float32),
        skin_weights=np.full((4, 5), 0.2, np.float32),
        faces=np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32),
        uv=np.zeros((3, 2), np.float32),
        faces_uv=np.zeros((4, 3), np.int32),
        regions={name: np.full(4, name in NEVER_EMPTY) for name in REGIONS},
        landmark_triangles=np.zeros((468, 3), np.int32),
        landmark_barycentrics=np.full((468, 3), 1 / 3, np.float32),
        iris_distance=0.01,
        licence="CC0-1.0",
    )


def unwritten_capture(suffix: str = ".png") -> Capture:
    random = np.random.default_rng(1)

    def numbers(*shape: int) -> np.ndarray:
        return random.normal(0, 0.1, shape).astype(np.float32)

    landmarks = numbers(FRAMES, 478, 2) + 8
    landmarks[1, 5] = np.nan
    return Capture(
        folder=Path(),
        head=tetrahedron_head(),
        identity=numbers(1),
        width=WIDTH,
        height=HEIGHT,
        intrinsics=np.array([50, 51, 12, 8], np.float32),
        camera_to_world=np.tile(np.eye(4, dtype=np.float32), (FRAMES, 1, 1)),
        expression=numbers(FRAMES, EXPRESSIONS),
        root_rotation=numbers(FRAMES, 3),
        root_translation=numbers(FRAMES, 3),
        joint_rotations=numbers(FRAMES, 4, 3),
        landmarks=landmarks,
        frames=picture_names("frames", FRAMES, suffix),
        mattes=picture_names("mattes", FRAMES, ".png"),
        held_out=(2,),
        frame_rate=25.0,
        provenance={"source": "a test", "licence": "CC0-1.0"},
    )


def pictures() -> tuple[list[np.ndarray], list[np.ndarray]]:
    random = np.random.default_rng(2)
    frames = [random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(FRAMES)]
    return frames, [frame[..., 0] for frame in frames]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_capture(unwritten_capture(), tmp_path / "capture", *pictures())
    return tmp_path / "capture"


def edit_description(folder: Path, **changes: object) -> None:
    place = folder / "capture.json"
    description = json.loads(place.read_text())
    description.update(changes)
    place.write_text(json.dumps(description))


def edit_parameters(folder: Path, **changes: np.ndarray | None) -> None:
    tensors = load_file(folder / "parameters.safetensors") | changes
    save_file({name: value for name, value in tensors.items() if value is not None}, folder / "parameters.safetensors")


def refusal(folder: Path) -> str:
    with pytest.raises(LikenessError) as caught:
        load_capture(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_is_written_is_read_back_exactly(written: Path) -> None:
    before, after = unwritten_capture(), load_capture(written)
    for name in (*PARAMETERS, "intrinsics", "camera_to_world"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), err_msg=name)
    for name in ("width", "height", "frames", "mattes", "held_out", "frame_rate", "provenance"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.training == (0, 1)
    frames, mattes = pictures()
    for index in range(FRAMES):
        np.testing.assert_array_equal(load_frame(after, index), frames[index])
        np.testing.assert_array_equal(load_matte(after, index), mattes[index])
    np.testing.assert_array_equal(after.head.template, before.head.template)


def test_a_moving_camera_is_kept_for_each_frame(tmp_path: Path) -> None:
    capture = unwritten_capture()
    capture.camera_to_world[1, 0, 3] = 0.25
    write_capture(capture, tmp_path / "capture", *pictures())
    np.testing.assert_array_equal(load_capture(tmp_path / "capture").camera_to_world, capture.camera_to_world)


def test_jpeg_frames_keep_smooth_colours(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8)[None, :, None], (HEIGHT, 1, 3))
    _, mattes = pictures()
    write_capture(unwritten_capture(".jpg"), tmp_path / "capture", [ramp] * FRAMES, mattes)
    loaded = load_frame(load_capture(tmp_path / "capture"), 0)
    # At quality 95 the coarsest luminance step is 10 / 8 grey levels per coefficient.
    assert np.abs(loaded.astype(int) - ramp).max() <= 5


def test_pictures_can_be_copied_as_they_are(written: Path, tmp_path: Path) -> None:
    source = load_capture(written)
    frames = [written / name for name in source.frames]
    mattes = [written / name for name in source.mattes]
    write_capture(unwritten_capture(), tmp_path / "copy", frames, mattes)
    assert (tmp_path / "copy/frames/00001.png").read_bytes() == frames[1].read_bytes()


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    frames, mattes = pictures()

    def failing():
        yield frames[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_capture(unwritten_capture(), tmp_path / "capture", failing(), mattes)
    with pytest.raises(LikenessError, match="not as many"):
        write_capture(unwritten_capture(), tmp_path / "capture", frames[:-1], mattes)
    with pytest.raises(LikenessError, match="8x8"):
        write_capture(unwritten_capture(), tmp_path / "capture", [frame[:8, :8] for frame in frames], mattes)
    assert list(tmp_path.iterdir()) == []


def test_only_a_capture_is_ever_replaced_and_only_on_demand(written: Path, tmp_path: Path) -> None:
    changed = replace(unwritten_capture(), frame_rate=30.0)
    with pytest.raises(LikenessError, match="already holds a capture"):
        write_capture(changed, written, *pictures())
    write_capture(changed, written, *pictures(), overwrite=True)
    assert load_capture(written).frame_rate == 30.0
    assert [path.name for path in tmp_path.iterdir()] == ["capture"]
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/dear.txt").write_text("Dear")
    with pytest.raises(LikenessError, match="other files"):
        write_capture(changed, tmp_path / "letters", *pictures(), overwrite=True)
    assert (tmp_path / "letters/dear.txt").read_text() == "Dear"


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, PermissionError])
def test_what_is_replaced_comes_back_whenever_replacing_fails(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], failing: int
) -> None:
    """The older capture is moved away first, and then the new one to its place."""
    (tmp_path / "new").mkdir()
    count, rename = 0, Path.rename

    def stopped(path: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == failing:
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(error):
        put_in_place(tmp_path / "new", written)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["capture", "new"]
    assert len(load_capture(written)) == FRAMES


def test_what_is_replaced_comes_back_when_it_was_moved_before_the_interrupt(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").mkdir()
    rename = Path.rename

    def moved_and_stopped(path: Path, target: Path) -> None:
        monkeypatch.undo()
        rename(path, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", moved_and_stopped)
    with pytest.raises(KeyboardInterrupt):
        put_in_place(tmp_path / "new", written)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["capture", "new"]
    assert len(load_capture(written)) == FRAMES


def test_what_is_replaced_and_cannot_come_back_is_kept_and_told(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").mkdir()
    rename = Path.rename

    def moved_once(path: Path, target: Path) -> Path:
        if path == written:
            return rename(path, target)
        raise PermissionError

    monkeypatch.setattr(Path, "rename", moved_once)
    with pytest.raises(LikenessError, match=r"cannot be replaced; move .*/capture back to it") as caught:
        put_in_place(tmp_path / "new", written)
    kept = next(path for path in tmp_path.glob(".capture.*/capture"))
    assert str(kept) in str(caught.value) and len(load_capture(kept)) == FRAMES


def test_files_that_came_while_a_capture_was_made_stay(tmp_path: Path) -> None:
    frames, mattes = pictures()
    (tmp_path / "capture").mkdir()

    def slowly():
        (tmp_path / "capture" / "thesis.txt").write_text("years of work")
        yield from frames

    with pytest.raises(LikenessError, match="other files"):
        write_capture(unwritten_capture(), tmp_path / "capture", slowly(), mattes)
    assert [path.name for path in tmp_path.iterdir()] == ["capture"]
    assert (tmp_path / "capture" / "thesis.txt").exists()


@pytest.mark.parametrize("inner", [".", "inside/deeper"])
def test_the_folder_that_a_command_runs_in_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inner: str
) -> None:
    (tmp_path / "capture" / inner).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / "capture" / inner)
    for place in (tmp_path / "capture", Path(os.path.relpath(tmp_path / "capture"))):
        with pytest.raises(LikenessError, match="/capture cannot be replaced while a command runs in it"):
            write_capture(unwritten_capture(), place, *pictures(), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["capture"]


def test_a_new_folder_may_be_named_from_where_a_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_capture(unwritten_capture(), Path("there/../capture"), *pictures())
    assert len(load_capture(tmp_path / "capture")) == FRAMES
    assert [path.name for path in tmp_path.iterdir()] == ["capture"]


def test_what_is_no_character_is_told_as_such(tmp_path: Path) -> None:
    """A terminal that writes Latin-1, and the name of a file."""
    provenance = {"consent": os.fsdecode(b"Zo\xeb agreed"), os.fsdecode(b"\xff"): "Zoë"}
    written = write_capture(replace(unwritten_capture(), provenance=provenance), tmp_path / "capture", *pictures())
    assert written.provenance == {"consent": "Zo\ufffd agreed", "\ufffd": "Zoë"}
    assert load_capture(tmp_path / "capture").provenance == written.provenance


def test_the_built_in_head_is_not_stored_but_must_be_the_same(tmp_path: Path) -> None:
    head = standin()
    expression = np.zeros((FRAMES, head.expression_count), np.float32)
    capture = replace(unwritten_capture(), head=head, expression=expression)
    write_capture(capture, tmp_path / "capture", *pictures())
    assert not (tmp_path / "capture/head.safetensors").exists()
    assert load_capture(tmp_path / "capture").head is head
    description = json.loads((tmp_path / "capture/capture.json").read_text())
    edit_description(tmp_path / "capture", head=description["head"] | {"fingerprint": "0" * 64})
    assert "'head'" in refusal(tmp_path / "capture")


@pytest.mark.parametrize("own", ["template", "landmark_barycentrics"])
def test_a_person_who_was_tracked_with_the_built_in_head_is_stored(tmp_path: Path, own: str) -> None:
    """Whose teeth and points are where no other person has them."""
    head = replace(standin(), **{own: getattr(standin(), own)[::-1].copy()})
    expression = np.zeros((FRAMES, head.expression_count), np.float32)
    write_capture(replace(unwritten_capture(), head=head, expression=expression), tmp_path / "capture", *pictures())
    found = load_capture(tmp_path / "capture").head
    assert found.name == head.name
    assert np.array_equal(getattr(found, own), getattr(head, own))


def test_a_folder_that_is_no_capture(tmp_path: Path) -> None:
    assert "capture.json" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "something-else"),
        ("version", 2),
        ("width", 0),
        ("width", MAXIMUM_SIDE + 1),
        ("width", 24.0),
        ("height", True),
        ("intrinsics", [50, 51, 12]),
        ("intrinsics", [-50, 51, 12, 8]),
        ("intrinsics", [50, "51", 12, 8]),
        ("intrinsics", [10**400, 51, 12, 8]),
        ("camera_to_world", [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
        ("camera_to_world", None),
        ("frames", []),
        ("frames", "frames/00000.png"),
        ("mattes", ["mattes/00000.png"]),
        ("held_out", [2, 1]),
        ("held_out", [3]),
        ("held_out", [0, 1, 2]),
        ("frame_rate", 0),
        ("provenance", {"source": 1}),
        ("head", {"name": "flame", "expressions": ["one", "two"]}),
        ("head", {"name": "tetrahedron", "expressions": ["one"]}),
        ("head", "tetrahedron"),
    ],
)
def test_a_wrong_field_of_the_description_is_named(written: Path, field: str, value: object) -> None:
    edit_description(written, **{field: value})
    assert f"'{field}'" in refusal(written)


@pytest.mark.parametrize("field", ["width", "frames", "mattes", "held_out", "head", "provenance", "camera_to_world"])
def test_a_missing_field_of_the_description_is_named(written: Path, field: str) -> None:
    place = written / "capture.json"
    description = json.loads(place.read_text())
    del description[field]
    place.write_text(json.dumps(description))
    message = refusal(written)
    assert str(place) in message
    assert f"'{field}'" in message


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": NaN}', "[" * 100_000, "\xff\xfe"])
def test_a_description_that_is_not_json_is_refused(written: Path, text: str) -> None:
    (written / "capture.json").write_text(text, encoding="latin-1")
    assert "capture.json" in refusal(written)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_missing_or_misshapen_or_unusable_tensor_is_named(written: Path, name: str) -> None:
    good = load_file(written / "parameters.safetensors")[name]
    infinite = good.copy()
    infinite.flat[0] = np.inf
    for bad in (None, good[..., None], infinite, good.astype(np.float16)):
        edit_parameters(written, **{name: bad})
        assert f"'{name}'" in refusal(written)


def test_only_landmarks_may_be_missing_numbers(written: Path) -> None:
    edit_parameters(written, expression=np.full((FRAMES, EXPRESSIONS), np.nan, np.float32))
    assert "'expression'" in refusal(written)


@pytest.mark.parametrize("name", ["parameters.safetensors", "head.safetensors"])
def test_a_missing_or_truncated_file_is_named(written: Path, name: str) -> None:
    whole = (written / name).read_bytes()
    for length in (4, 40, len(whole) - 1):
        (written / name).write_bytes(whole[:length])
        assert name in refusal(written)
    (written / name).unlink()
    assert name in refusal(written)


@pytest.mark.parametrize("name", ["frames/00001.png", "mattes/00002.png"])
def test_a_missing_damaged_or_wrong_picture_is_named(written: Path, name: str) -> None:
    place = written / name
    mode = "RGB" if name.startswith("frames") else "L"
    other = "L" if mode == "RGB" else "RGB"
    Image.new(mode, (WIDTH + 1, HEIGHT)).save(place)
    assert name in refusal(written)
    Image.new(other, (WIDTH, HEIGHT)).save(place)
    assert name in refusal(written)
    Image.new(mode, (WIDTH, HEIGHT)).save(place, "JPEG")
    assert name in refusal(written)
    place.write_bytes(b"not a picture")
    assert name in refusal(written)
    place.unlink()
    assert name in refusal(written)


def test_a_picture_of_absurd_size_is_never_decoded(written: Path) -> None:
    place = written / "frames/00000.png"
    content = bytearray(place.read_bytes())
    # Width and height of a PNG lie at bytes 16 and 20 of the file; the header's checksum follows at 29.
    content[16:24] = (2**30).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    place.write_bytes(content)
    assert "frames/00000.png" in refusal(written)


def test_a_truncated_picture_is_named_when_it_is_read(written: Path) -> None:
    place = written / "frames/00000.png"
    place.write_bytes(place.read_bytes()[:-200])
    with pytest.raises(LikenessError, match=r"00000\.png is a damaged picture"):
        load_frame(load_capture(written), 0)


@pytest.mark.parametrize("path", ["../outside.png", "/etc/outside.png", "frames/../../outside.png", "C:\\outside.png"])
def test_a_path_that_leaves_the_folder_is_refused(written: Path, path: str) -> None:
    Image.new("RGB", (WIDTH, HEIGHT)).save(written.parent / "outside.png")
    edit_description(written, frames=["frames/00000.png", path, "frames/00002.png"])
    message = refusal(written)
    assert "'frames'" in message
    assert "out of the capture's folder" in message


@pytest.mark.parametrize("field", ["frames", "mattes"])
@pytest.mark.parametrize("part", ["\ud800", "\0", "a\nb", "\u00e9" * 200, "a" * 251])
def test_a_name_that_no_file_can_have_is_refused(written: Path, field: str, part: str) -> None:
    names = [f"{field}/00000.png", f"{field}/{part}.png", f"{field}/00002.png"]
    edit_description(written, **{field: names})
    message = refusal(written)
    assert f"'{field}'" in message
    assert "file name" in message


@pytest.mark.parametrize("name", ["frames/00001.png", "mattes/00001.png", "parameters.safetensors", "head.safetensors"])
def test_a_link_to_itself_is_refused(written: Path, name: str) -> None:
    (written / name).unlink()
    (written / name).symlink_to((written / name).name)
    assert name in refusal(written)


@pytest.mark.parametrize("name", ["frames/00000.png", "parameters.safetensors", "head.safetensors"])
def test_a_link_that_leaves_the_folder_is_refused(written: Path, name: str) -> None:
    outside = written.parent / Path(name).name
    os.replace(written / name, outside)
    (written / name).symlink_to(outside)
    assert "out of the capture's folder" in refusal(written)
