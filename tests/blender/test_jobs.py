"""Files of jobs are read whole or refused with a sentence, and the batch script does what they say."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import bpy
import numpy as np
import pytest
from avatars import tiny_camera, tiny_poses
from bl_ext.dev.likeness.addon.jobs import read_jobs
from bl_ext.dev.likeness.backend.likeness.errors import LikenessError

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "render_avatar.py"


def plain(thing):
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in asdict(thing).items()}


def job(**changes):
    """A job as the file has it."""
    camera = plain(tiny_camera(24))
    return {"pose": plain(tiny_poses()["all"]), "camera": camera, "engine": "cycles", "out": "a.png", **changes}


def write(folder, content):
    path = folder / "jobs.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def test_a_job_is_read_as_it_was_written(tmp_path):
    (found,) = read_jobs(write(tmp_path, [job(out="some/a.exr")]), 3)
    assert found.out == tmp_path / "some" / "a.exr"
    assert found.samples == 1
    for name, value in vars(tiny_poses()["all"]).items():
        np.testing.assert_array_equal(getattr(found.pose, name), value)
    np.testing.assert_array_equal(found.camera.camera_to_world, tiny_camera(24).camera_to_world)


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        (("engine",), "workbench", "engine"),
        (("out",), "a.jpg", "out"),
        (("samples",), 0, "samples"),
        (("pose", "expression"), [1.0], "expression"),
        (("pose", "joint_rotations"), [[0, 0, 0]], "joint_rotations"),
        (("pose", "root_rotation"), [0, 0, float("nan")], "root_rotation"),
        (("camera", "fx"), -1, "focal"),
        (("camera", "width"), 10.5, "width"),
        (("camera", "cy"), "middle", "cy"),
        (("camera", "camera_to_world"), None, "camera_to_world"),
        (("extra",), 1, "must have"),
    ],
)
def test_a_wrong_job_is_refused_by_name(tmp_path, path, value, word):
    entry = copy.deepcopy(job())
    owner = entry
    for key in path[:-1]:
        owner = owner[key]
    owner[path[-1]] = value
    with pytest.raises(LikenessError, match=f"Job 2 .*{word}"):
        read_jobs(write(tmp_path, [job(), entry]), 3)


@pytest.mark.parametrize("content", ["{", "{}", None])
def test_a_wrong_file_is_refused(tmp_path, content):
    path = tmp_path / "none.json" if content is None else write(tmp_path, content)
    with pytest.raises(LikenessError, match=path.name):
        read_jobs(path, 3)


def run(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments), "--threads", "1"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_script_renders_and_keeps_a_keyed_file(avatar_file, tmp_path):
    jobs = [job(out="one.png"), *(job(out=f"film/{index}.exr") for index in range(2))]
    blend = tmp_path / "kept.blend"
    done = run(avatar_file, write(tmp_path, jobs), "--save", blend, "--key", "film")
    assert done.returncode == 0, done.stderr
    assert "3 of 3 pictures" in done.stdout
    sizes = {name: tuple(bpy.data.images.load(str(tmp_path / name)).size) for name in ("one.png", "film/1.exr")}
    assert set(sizes.values()) == {(24, 24)}
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    assert (bpy.context.scene.frame_start, bpy.context.scene.frame_end) == (1, 2)
    rig = bpy.data.objects["Tiny"]
    assert rig.pose.bones["face"]["smile"] == pytest.approx(0.7)
    assert rig.animation_data.action


def test_script_tells_a_users_mistake_in_one_line(avatar_file, tmp_path):
    done = run(avatar_file, write(tmp_path, [job(engine="lux")]))
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("likeness: ")]
    assert "engine" in line
    assert "Traceback" not in done.stderr
