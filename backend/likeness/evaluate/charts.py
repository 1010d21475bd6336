"""Where and when an avatar is wrong: a map of the error, and its course over the held-out frames."""

from __future__ import annotations

import io
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

HOTTEST = 32.0
"""Mean error, of 255, at the hot end of an error map."""


def error_map(error: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """A mean absolute error (H, W), of 255, as colours (H, W, 3): black is none, yellow is 32 or more."""
    scaled = np.clip(error / HOTTEST * 255, 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(scaled, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB).astype(np.uint8)


def course(frames: Sequence[dict[str, float]], outside: Sequence[bool]) -> bytes:
    """PSNR of face and foreground over the held-out frames, ours and the baseline's, as a PNG file.

    Parameters
    ----------
    frames : sequence of dict
        ``frame``, ``psnr_fg``, ``psnr_face``, ``baseline_psnr_fg``, ``baseline_psnr_face`` of each frame.
    outside : sequence of bool
        Frames turned farther than training saw; they are shaded.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    numbers = [frame["frame"] for frame in frames]
    for name, title, style in (
        ("psnr_face", "face", "C0-"),
        ("psnr_fg", "foreground", "C1-"),
        ("baseline_psnr_face", "face, mesh + texture", "C0:"),
        ("baseline_psnr_fg", "foreground, mesh + texture", "C1:"),
    ):
        axes.plot(numbers, [frame[name] for frame in frames], style, label=title)
    for number, beyond in zip(numbers, outside, strict=True):
        if beyond:
            axes.axvspan(number - 0.5, number + 0.5, color="0.9", lw=0)
    axes.set(xlabel="frame (shaded: turned farther than in training)", ylabel="PSNR, dB")
    axes.grid(alpha=0.3)
    axes.legend(ncols=2, fontsize="small")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()
