"""LPIPS (Zhang et al., CVPR 2018): how different two pictures look, by the features of a network that knows pictures.

    d(x, y) = sum_l mean_hw sum_c w_lc (x'_lc - y'_lc)^2

with features x' of layer l scaled to unit length over channels, and learnt weights w. The network's weights are other
people's, and large; they are read from the disk where somebody has put them, and never fetched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import conv2d, interpolate, max_pool2d, relu

from ..array_files import read_array_archive, read_torch_file
from ..errors import LikenessError
from ..tensors import read_tensors

PLACE = Path.home() / ".likeness" / "lpips"
"""Folder where weights are looked for when no place is named."""

SMALLEST = 64
"""Least side of pictures, pixels: smaller ones have no features left in the deepest layers."""

_LARGEST_FILE = 1 << 30
_SUFFIXES = (".safetensors", ".npz", ".pth", ".pt")
_CENTRE, _SPREAD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


@dataclass(frozen=True)
class _Network:
    """Convolutions by their place in torchvision's list: (place, outputs, kernel, stride, padding)."""

    name: str
    convolutions: tuple[tuple[int, int, int, int, int], ...]
    pools: tuple[int, ...]
    """Convolutions before which features are pooled."""
    pool_size: int
    taps: tuple[int, ...]
    """Convolutions after whose rectifier features are compared."""


_VGG_WIDTHS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
_VGG_PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_NETWORKS = (
    _Network(
        "VGG16",
        tuple((place, width, 3, 1, 1) for place, width in zip(_VGG_PLACES, _VGG_WIDTHS, strict=True)),
        pools=(5, 10, 17, 24),
        pool_size=2,
        taps=(2, 7, 14, 21, 28),
    ),
    _Network(
        "AlexNet",
        ((0, 64, 11, 4, 2), (3, 192, 5, 1, 2), (6, 384, 3, 1, 1), (8, 256, 3, 1, 1), (10, 256, 3, 1, 1)),
        pools=(3, 6),
        pool_size=3,
        taps=(0, 3, 6, 8, 10),
    ),
)


class Lpips:
    """The distance, with its weights.

    Parameters
    ----------
    network : _Network
    tensors : dict of str to Tensor
        ``features.I.weight``, ``features.I.bias`` and ``lin.L``, of the right shapes.

    Attributes
    ----------
    name : str
        ``LPIPS VGG16`` or ``LPIPS AlexNet``.
    """

    def __init__(self, network: _Network, tensors: dict[str, torch.Tensor]) -> None:
        self.name = f"LPIPS {network.name}"
        self._network, self._tensors = network, tensors
        self._centre = torch.tensor(_CENTRE)[:, None, None]
        self._spread = torch.tensor(_SPREAD)[:, None, None]

    def to(self, device: torch.device | str) -> Lpips:
        """The same with its tensors on a device."""
        moved = Lpips(self._network, {name: tensor.to(device) for name, tensor in self._tensors.items()})
        moved._centre, moved._spread = self._centre.to(device), self._spread.to(device)
        return moved

    def distance_map(self, pictures: torch.Tensor, truths: torch.Tensor) -> torch.Tensor:
        """Distance (N, H, W) at every pixel: each layer's differences, enlarged to the pictures' size.

        Parameters
        ----------
        pictures, truths : (N, 3, H, W) float32
            sRGB-encoded, 0..1; at least :data:`SMALLEST` pixels each way.
        """
        size = pictures.shape[-2:]
        maps = [
            interpolate(part, size, mode="bilinear", align_corners=False)[:, 0]
            for part in self._differences(pictures, truths)
        ]
        return torch.stack(maps).sum(0)

    def distance(self, pictures: torch.Tensor, truths: torch.Tensor) -> torch.Tensor:
        """Mean distance () of pictures (N, 3, H, W), as LPIPS defines it."""
        return torch.stack([part.mean() for part in self._differences(pictures, truths)]).sum()

    def _differences(self, pictures: torch.Tensor, truths: torch.Tensor) -> list[torch.Tensor]:
        ours, theirs = self._features(pictures), self._features(truths)
        return [
            conv2d((first - second).square(), self._tensors[f"lin.{layer}"])
            for layer, (first, second) in enumerate(zip(ours, theirs, strict=True))
        ]

    def _features(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Features of each compared layer, of unit length over channels."""
        values, found = (pictures * 2 - 1 - self._centre) / self._spread, []
        for place, _, _, stride, padding in self._network.convolutions:
            if place in self._network.pools:
                values = max_pool2d(values, self._network.pool_size, 2)
            weight, bias = self._tensors[f"features.{place}.weight"], self._tensors[f"features.{place}.bias"]
            values = relu(conv2d(values, weight, bias, stride, padding))
            if place in self._network.taps:
                found.append(values / (values.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found


def load_lpips(place: Path | None = None) -> Lpips | None:
    """The distance with weights from the disk.

    Parameters
    ----------
    place : Path, optional
        A file (``.safetensors``, ``.npz``, or PyTorch's ``.pth``, read without running anything in it), or a folder of
        such files that together hold the network (torchvision's ``vgg16`` or ``alexnet``) and LPIPS' linear layers
        (``vgg.pth`` or ``alex.pth`` of its authors). Without it :data:`PLACE` is looked at.

    Returns
    -------
    Lpips or None
        None if no place was named and there is nothing at :data:`PLACE`.

    Raises
    ------
    LikenessError
        If there is nothing at the place named, or no whole set of weights.
    """
    folder = PLACE if place is None else place
    files = [folder] if folder.is_file() else sorted(path for path in _listed(folder) if path.suffix in _SUFFIXES)
    if not files:
        if place is None:
            return None
        raise LikenessError(f"There are no weights of LPIPS at {place}; name a .safetensors, .npz or .pth file.")
    tensors: dict[str, torch.Tensor] = {}
    for path in files:
        tensors |= _named(_read(path))
    for network in _NETWORKS:
        # VGG's second convolution has the place 2, where AlexNet has a pooling layer.
        if ("features.2.weight" in tensors) == (network.name == "VGG16"):
            return Lpips(network, _checked(tensors, network, folder))
    raise AssertionError("one of the two networks always matches")


def _listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _read(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".safetensors":
        arrays, _ = read_tensors(path, "a file of LPIPS weights", _LARGEST_FILE)
        return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    if path.suffix == ".npz":
        arrays = read_array_archive(path, "a file of LPIPS weights", _npz_names())
        return {name: torch.as_tensor(np.array(array)) for name, array in arrays.items()}
    content = read_torch_file(path, "a file of LPIPS weights", _LARGEST_FILE)
    if not isinstance(content, dict):
        raise LikenessError(f"{path} holds no named weights; take the state dictionary of the network.")
    arrays = {str(name): value for name, value in content.items() if isinstance(value, np.ndarray)}
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def _npz_names() -> list[str]:
    places = sorted({place for network in _NETWORKS for place, *_ in network.convolutions})
    names = [f"features.{place}.{kind}" for place in places for kind in ("weight", "bias")]
    return [*names, *(f"lin{layer}.model.1.weight" for layer in range(5)), *(f"lin.{layer}" for layer in range(5))]


def _named(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors by our names; those of other layers are left out."""
    found = {}
    for name, tensor in tensors.items():
        if match := re.fullmatch(r"(?:features|net\.slice\d)\.(\d+)\.(weight|bias)", name):
            found[f"features.{match[1]}.{match[2]}"] = tensor.float()
        elif match := re.fullmatch(r"(?:lin|lins\.|lin\.)(\d)(?:\.model\.1\.weight)?", name):
            found[f"lin.{match[1]}"] = tensor.float()
    return found


def _checked(tensors: dict[str, torch.Tensor], network: _Network, place: Path) -> dict[str, torch.Tensor]:
    """The tensors that a network needs, of the shapes that it needs."""
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = 3
    for layer, outputs, kernel, _, _ in network.convolutions:
        shapes[f"features.{layer}.weight"] = (outputs, inputs, kernel, kernel)
        shapes[f"features.{layer}.bias"] = (outputs,)
        if layer in network.taps:
            shapes[f"lin.{network.taps.index(layer)}"] = (1, outputs, 1, 1)
        inputs = outputs
    for name, shape in shapes.items():
        if name not in tensors:
            raise LikenessError(f"{place} lacks {name} of {network.name} with LPIPS; put the missing file beside it.")
        if tuple(tensors[name].shape) != shape or not torch.isfinite(tensors[name]).all():
            raise LikenessError(f"{place}: {name} does not suit {network.name}; take other files.")
    return {name: tensors[name] for name in shapes}
