"""Small films that tests make, and cuts of the shared ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np


def ffmpeg(*arguments: object) -> None:
    """Run FFmpeg, which comes with imageio-ffmpeg."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def write_film(path: Path, pictures: list[np.ndarray], frame_rate: int = 25) -> Path:
    """Write pictures (H, W, 3) as an H.264 film with its index at the front."""
    height, width = pictures[0].shape[:2]
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=frame_rate,
        codec="libx264",
        macro_block_size=2,
        ffmpeg_log_level="error",
        output_params=["-movflags", "+faststart"],
    )
    writer.send(None)
    for picture in pictures:
        writer.send(np.ascontiguousarray(picture))
    writer.close()
    return path


TALKING_FRAMES, TALKING_SIZE = 40, 256


def talking_film(path: Path, source: Path) -> Path:
    """The first 40 frames of a real talking head, with a blink and an open mouth, at 256 pixels."""
    scale = f"scale={TALKING_SIZE}:{TALKING_SIZE}"
    ffmpeg("-i", source, "-frames:v", TALKING_FRAMES, "-vf", scale, "-crf", 12, path)
    return path


def noise_film(path: Path, count: int, side: int = 64) -> Path:
    """A film of noise, in which there is no face and which compresses badly."""
    random = np.random.default_rng(0)
    return write_film(path, list(random.integers(0, 256, (count, side, side, 3), np.uint8)))
