"""Which rasteriser runs on a device."""

from __future__ import annotations

import importlib.util

import torch

from ..errors import LikenessError
from .interface import Rasteriser
from .warp_rasteriser import WarpRasteriser

NAMES = ("warp", "nvdiffrast")


def rasteriser(device: torch.device, prefer: str | None = None) -> Rasteriser:
    """The rasteriser for a device: nvdiffrast on CUDA where it is installed, otherwise Warp.

    Parameters
    ----------
    device : torch.device
    prefer : {"warp", "nvdiffrast"}, optional
        Use this one instead.

    Raises
    ------
    LikenessError
        If the preferred one is unknown, is not installed, or does not run on the device.
    """
    if prefer not in (None, *NAMES):
        raise LikenessError(f"There is no rasteriser {prefer!r}; choose one of {', '.join(NAMES)}.")
    installed = importlib.util.find_spec("nvdiffrast") is not None
    if prefer == "nvdiffrast" and not (installed and device.type == "cuda"):
        reason = "is not installed" if not installed else f"needs a CUDA device, not {device}"
        raise LikenessError(f"nvdiffrast {reason}; choose the rasteriser 'warp', which runs everywhere.")
    if device.type == "cuda" and installed and prefer != "warp":
        from .nvdiffrast_rasteriser import NvdiffrastRasteriser

        return NvdiffrastRasteriser(device)
    return WarpRasteriser()
