"""Mutated head and capture files, read under limits: nothing but clear refusals, nothing executed, little memory.

    python tests/fuzz.py 2000            all of them; prints a summary and fails on the first kind of crash
    python tests/fuzz.py 500 --first 500 a part, each mutant being known by its number

Every mutant is one file of a small valid head model or data set, damaged: bits, lengths and bytes changed, parts cut,
doubled or moved, fields of JSON replaced by absurd ones. Its reader must give a result or a ``LikenessError`` of one
line, within a time, without any code run, process started or connection made, and without a gibibyte of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import pickletools
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from data_sets import truth, write_imavatar_clip, write_insta_set, write_seg_masks, write_semantics, write_tracked
from flame import as_published, flame_arrays, pickled, pickled_by_python_2
from likeness.capture.formats.exchange import import_capture
from likeness.capture.formats.imavatar import read_imavatar
from likeness.capture.formats.insta import read_insta
from likeness.capture.formats.metrical_tracker import read_metrical_tracker
from likeness.capture.storage import load_capture
from likeness.errors import LikenessError
from likeness.head.flame import load_flame
from likeness.head.flame_files import (
    COMPANIONS,
    VERTICES,
    read_eyelid,
    read_flame,
    read_landmark_embedding,
    read_masks,
    read_mediapipe_embedding,
    read_uv,
)
from likeness.head.ict_files import CORNERS, POLYGONS, TRIANGLES, read_npz
from likeness.head.ict_files import VERTICES as ICT_VERTICES
from likeness.head.model import HeadModel
from likeness.head.storage import load_head, save_head
from PIL import Image

MEMORY = 2**30
SECONDS = 30
FORBIDDEN = (
    "exec", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "subprocess.Popen",
    "socket.connect", "pty.spawn", "ctypes.dlopen", "pickle.find_class", "code.__new__",
)  # fmt: skip
"""Events of Python's audit hooks that reading a file must never cause."""

ABSURD: tuple[Any, ...] = (
    None, True, -1, 0, 1e300, 2**70, "", "x" * 5000, "../../etc/passwd", "/dev/zero", "\0", [], [[]], {}, [[[[1]]]],
    [1e400], ["1"], [[1, 2], [3]], float("nan"), float("-inf"),
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A valid folder, those of its files that are damaged in turn, and what reads it."""

    name: str
    folder: Path
    files: tuple[str, ...]
    read: Callable[[Path], object]


def targets(place: Path) -> list[Target]:
    """Valid files of every kind, made in a folder."""
    arrays = flame_arrays()
    # In half precision the true sizes stay and a mutant is read in a tenth of a second.
    small = {name: a.astype(np.float16) if a.ndim == 3 else a for name, a in arrays.items()}
    heads = place / "heads"
    heads.mkdir()
    (heads / "generic_model.pkl").write_bytes(pickled(as_published(small)))
    (heads / "python2.pkl").write_bytes(pickled_by_python_2(small))
    (heads / "framed.pkl").write_bytes(pickled(small, 5))
    np.savez(heads / "model.npz", **small)
    head = load_flame(heads / "generic_model.pkl")
    save_head(head, heads / "head.safetensors")
    (heads / "FLAME_masks.pkl").write_bytes(pickled({"face": np.arange(2000), "neck": np.arange(2000, 3000)}))
    static = {"static_lmk_faces_idx": np.arange(51), "static_lmk_bary_coords": np.full((51, 3), 1 / 3)}
    np.save(heads / "landmark_embedding.npy", np.array(static, object), allow_pickle=True)
    np.savez(
        heads / "mediapipe_landmark_embedding.npz",
        landmark_indices=np.arange(105),
        lmk_face_idx=np.arange(105),
        lmk_b_coords=np.full((105, 3), 1 / 3),
    )
    np.save(heads / "l_eyelid.npy", np.zeros((VERTICES, 3), np.float32))
    np.savez_compressed(
        heads / "ict_facekit.npz",
        v_template=np.zeros((ICT_VERTICES, 3)),
        expr_names=np.array(["jawOpen"]),
        expr=np.zeros((1, ICT_VERTICES, 3), np.float16),
        shape=np.zeros((2, ICT_VERTICES, 3), np.float16),
        quads=np.zeros((POLYGONS, 4), np.int32),
        tris=np.zeros((TRIANGLES, 3), np.int32),
        tris_uv=np.zeros((TRIANGLES, 3), np.int32),
        tri_src=np.zeros(TRIANGLES, np.int32),
        uv=np.zeros((CORNERS, 2)),
    )
    faces = arrays["f"].astype(np.int64)
    np.savez(heads / "FLAME_texture.npz", vt=np.zeros((VERTICES, 2)), ft=faces)
    lines = [f"vt {u:.3f} {v:.3f}" for u, v in 0.5 + arrays["v_template"][:, :2]]
    lines += ["f " + " ".join(f"{v + 1}/{v + 1}" for v in face) for face in faces]
    (heads / "head_template.obj").write_text("\n".join(lines))
    made = [
        Target(f"head {name}", heads, (name,), lambda folder, name=name, read=read: read(folder / name))
        for name, read in (
            ("generic_model.pkl", read_flame),
            ("python2.pkl", read_flame),
            ("framed.pkl", read_flame),
            ("model.npz", read_flame),
            ("head.safetensors", load_head),
            ("ict_facekit.npz", lambda path: read_npz(path, 2)),
            (COMPANIONS["masks"][0], read_masks),
            (COMPANIONS["landmarks"][0], read_landmark_embedding),
            (COMPANIONS["mediapipe"][0], read_mediapipe_embedding),
            (COMPANIONS["left eyelid"][0], read_eyelid),
            ("FLAME_texture.npz", lambda path: read_uv(path, faces)),
            ("head_template.obj", lambda path: read_uv(path, faces)),
        )
    ]
    return made + _data_sets(place, head)


def _data_sets(place: Path, head: HeadModel) -> list[Target]:
    clip = write_imavatar_clip(place / "imavatar", truth(2))
    write_semantics(clip, 2)
    insta = write_insta_set(place / "insta", truth(3))
    write_seg_masks(insta, 3)
    tracked = write_tracked(place / "tracked", truth(2), tensors=True)
    plain = write_tracked(place / "plain", truth(2))
    import_capture(clip, head, place / "capture", landmarks=False)

    def imported(folder: Path) -> None:
        import_capture(folder, head, folder.with_name("out"), landmarks=False, overwrite=True)

    return [
        Target("IMavatar", clip, ("flame_params.json",), lambda folder: read_imavatar(folder, head)),
        Target("IMavatar's pictures", clip, ("image/1.png", "mask/2.png", "semantic/1.png"), imported),
        Target(
            "INSTA",
            insta,
            (
                "transforms_train.json",
                "transforms_test.json",
                "canonical.obj",
                "meshes/00001.obj",
                "flame/exp/00000.txt",
            ),
            lambda folder: read_insta(folder, head),
        ),
        Target("INSTA's pictures", insta, ("images/00001.png", "seg_mask/00002.png"), imported),
        Target(
            "metrical-tracker's tensors", tracked, ("checkpoint/00000.frame",), lambda f: read_metrical_tracker(f, head)
        ),
        Target(
            "metrical-tracker's arrays", plain, ("checkpoint/00001.frame",), lambda f: read_metrical_tracker(f, head)
        ),
        Target(
            "capture",
            place / "capture",
            ("capture.json", "parameters.safetensors", "frames/00000.png", "mattes/00001.png", "semantics/00000.png"),
            load_capture,
        ),
    ]


def mutated(content: bytes, name: str, chance: random.Random) -> bytes:
    """A damaged copy of a file's content."""
    if name.endswith(".json") and chance.random() < 0.7:
        return _mutated_json(content, chance)
    places = _structure(content, name)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.choice(places) if places and chance.random() < 0.7 else chance.randrange(len(content) + 1)
        end = min(len(content), at + chance.choice((1, 1, 2, 4, 8, 64, 4096)))
        match chance.randrange(8):
            case 0:
                new = bytes(chance.randrange(256) for _ in range(min(end - at, 64)))
            case 1:
                new = bytes(byte ^ (1 << chance.randrange(8)) for byte in content[at : min(end, at + 1)])
            case 2:
                new = chance.choice((b"\xff" * 4, b"\x00" * 8, b"\xff\xff\xff\x7f", b"\xff" * 7 + b"\x7f", b"\x80"))
            case 3:
                new, end = b"", chance.choice((end, len(content)))
            case 4:
                new = content[at:end] * 2
            case 5:
                other = chance.randrange(len(content) + 1)
                new = content[other : other + end - at]
            case 6:
                new = chance.choice((b"nan ", b"-1 ", b"1e999 ", b"inf ", b"99999999999999999999 ", b"\n", b"/"))
            case _:
                new = chance.choice(
                    (b"cos\nsystem\n", b"c__builtin__\neval\n", b"2\x86" * 60, b"(" * 50, b"R", b"b", b".")
                )
        content = content[:at] + new + content[end:]
    return content


def _structure(content: bytes, name: str) -> list[int]:
    """Places where a change means something: opcodes of a pickle, headers and directories of other files."""
    if name.endswith((".pkl", ".npy")):
        start = content.find(b"\x80") if name.endswith(".npy") else 0
        try:
            return [start + (place or 0) for _, _, place in pickletools.genops(content[start:])]
        except ValueError:
            pass
    return [*range(min(len(content), 512)), *range(max(0, len(content) - 512), len(content))]


def _mutated_json(content: bytes, chance: random.Random) -> bytes:
    value = json.loads(content)
    for _ in range(chance.choice((1, 1, 2))):
        inside = value
        while True:
            keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
            key = chance.choice(keys)
            child = inside[key]
            if not isinstance(child, dict | list) or not child or chance.random() < 0.25:
                break
            inside = child
        if isinstance(inside, dict) and chance.random() < 0.2:
            del inside[key]
        else:
            inside[key] = chance.choice(ABSURD)
        if not isinstance(value, dict | list) or not value:
            break
    return json.dumps(value).encode()


def copied(folder: Path, out: Path, damaged: str, content: bytes) -> None:
    """A folder of links to a valid one's files, but for one file."""
    for source in folder.rglob("*"):
        if source.is_file():
            target = out / source.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.relative_to(folder).as_posix() == damaged:
                target.write_bytes(content)
            elif len(list(folder.iterdir())) < 30 and source.parent.name != "heads":
                os.link(source, target)


class Guard:
    """Notes forbidden events while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.events: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or not event.startswith(FORBIDDEN):
            return
        # An error's way may import a library's module for the first time, whose code comes from its own file.
        origin = getattr(arguments[0], "co_filename", "") if event == "exec" else ""
        if not origin.startswith((sys.prefix, sys.base_prefix, "<frozen ")):
            callers = "".join(traceback.format_stack(limit=6)[:-1])
            self.events.append(f"{event} {arguments!r:.200} {callers}")


def run(count: int, first: int) -> dict[str, Any]:
    """Read mutants ``first`` to ``first + count``; what came of them."""
    outcome: Counter[str] = Counter()
    crashes: list[str] = []
    guard = Guard()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "seeds").mkdir()
        chosen = targets(place / "seeds")
        # Once unharmed, so that nothing has to be imported any more, and to know that the seeds are sound. Pillow
        # imports further formats when it does not know a file at once.
        Image.init()
        for target in chosen:
            target.read(target.folder)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        signal.signal(signal.SIGALRM, _too_long)
        os.chdir(place)
        slowest = 0.0
        for number in range(first, first + count):
            chance = random.Random(number)
            target = chosen[number % len(chosen)]
            damaged = chance.choice(target.files)
            content = mutated((target.folder / damaged).read_bytes(), damaged, chance)
            folder = place / "mutant" / "data"
            copied(target.folder, folder, damaged, content)
            start = time.monotonic()
            signal.alarm(SECONDS)
            guard.on = True
            try:
                target.read(folder)
                outcome["read"] += 1
            except LikenessError as told:
                outcome["refused"] += 1
                if "\n" in str(told) or len(str(told)) > 1000:
                    crashes.append(f"{number} {target.name}/{damaged}: a message of several lines: {str(told)[:300]}")
            except BaseException as error:
                guard.on = False
                crashes.append(f"{number} {target.name}/{damaged}: {''.join(traceback.format_exception(error)[-3:])}")
            finally:
                guard.on = False
                signal.alarm(0)
            slowest = max(slowest, time.monotonic() - start)
            shutil.rmtree(place / "mutant")
        os.chdir("/")
    return {
        "mutants": count,
        **outcome,
        "crashes": crashes,
        "forbidden events": guard.events,
        "slowest mutant, seconds": round(slowest, 2),
        "peak memory, MiB": _peak_memory() // 2**20,
    }


def _peak_memory() -> int:
    # Not getrusage: its figure starts at the memory of whoever started this process.
    told = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert told
    return int(told[1]) * 1024


def _too_long(*_: object) -> None:
    raise TimeoutError(f"more than {SECONDS} seconds")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    summary = run(options.count, options.first)
    print(json.dumps(summary, indent=1))
    sys.exit(bool(summary["crashes"] or summary["forbidden events"] or summary["peak memory, MiB"] > MEMORY // 2**20))
