"""LPIPS with weights that tests make up: what is read from where, and that the distance is its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from likeness.errors import LikenessError
from likeness.layered import lpips as module
from likeness.layered.lpips import Lpips, load_lpips
from safetensors.numpy import save_file
from torch.nn.functional import conv2d, relu

WIDTHS = (64, 192, 384, 256, 256)
PLACES = (0, 3, 6, 8, 10)
KERNELS = (11, 5, 3, 3, 3)


def alexnet(seed: int = 0) -> dict[str, np.ndarray]:
    """Made-up weights by torchvision's and LPIPS' names."""
    random, tensors, inputs = np.random.default_rng(seed), {}, 3
    for layer, (place, width, kernel) in enumerate(zip(PLACES, WIDTHS, KERNELS, strict=True)):
        scale = (2 / (inputs * kernel**2)) ** 0.5
        tensors[f"features.{place}.weight"] = random.normal(0, scale, (width, inputs, kernel, kernel))
        tensors[f"features.{place}.bias"] = random.normal(0, 0.1, width)
        tensors[f"lin{layer}.model.1.weight"] = random.uniform(0, 1, (1, width, 1, 1))
        inputs = width
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "alex.safetensors"
    save_file(alexnet(), path)
    return path


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 64, 72, generator=torch.Generator().manual_seed(1))


def loaded(place) -> Lpips:
    lpips = load_lpips(place)
    assert lpips is not None
    return lpips


def test_equal_pictures_have_no_distance_and_others_have_one(file, pictures):
    lpips = loaded(file)
    assert lpips.name == "LPIPS AlexNet"
    assert lpips.distance(pictures, pictures) == 0
    assert lpips.distance(pictures, pictures.flip(3)) > 0.01
    assert lpips.distance_map(pictures, pictures.flip(3)).shape == (2, 64, 72)


def test_the_first_layer_is_the_formula(file, pictures):
    tensors = alexnet()
    only_first = loaded(file)
    for layer in range(1, 5):
        only_first._tensors[f"lin.{layer}"].zero_()
    weight, bias, lin = (
        torch.tensor(tensors[f"{name}"]) for name in ("features.0.weight", "features.0.bias", "lin0.model.1.weight")
    )
    centre, spread = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])

    def features(values):
        scaled = (values * 2 - 1 - centre.view(3, 1, 1)) / spread.view(3, 1, 1)
        found = relu(conv2d(scaled, weight, bias, stride=4, padding=2))
        return found / found.norm(dim=1, keepdim=True)

    expected = ((features(pictures) - features(1 - pictures)) ** 2 * lin).sum(1).mean()
    torch.testing.assert_close(only_first.distance(pictures, 1 - pictures), expected, rtol=1e-4, atol=0)


def test_gradients_reach_the_picture(file, pictures):
    moved = pictures.clone().requires_grad_()
    loaded(file).distance(moved, pictures.flip(2)).backward()
    assert moved.grad is not None and (moved.grad != 0).float().mean() > 0.9


@pytest.mark.parametrize("kind", ["npz", "pth", "folder"])
def test_other_files_hold_the_same(file, pictures, tmp_path, kind):
    tensors = alexnet()
    if kind == "npz":
        place = tmp_path / "alex.npz"
        np.savez(place, **tensors)
    elif kind == "pth":
        place = tmp_path / "alex.pth"
        torch.save({name: torch.tensor(tensor) for name, tensor in tensors.items()}, place)
    else:
        place = tmp_path
        for part in ("features", "lin"):
            chosen = {name: torch.tensor(tensor) for name, tensor in tensors.items() if name.startswith(part)}
            torch.save(chosen, tmp_path / f"{part}.pth")
    expected = loaded(file).distance(pictures, pictures.flip(2))
    torch.testing.assert_close(loaded(place).distance(pictures, pictures.flip(2)), expected, rtol=0, atol=0)


def test_nothing_at_the_usual_place_is_no_error_and_is_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PLACE", tmp_path / "lpips")
    assert load_lpips() is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors: tensors.pop("lin2.model.1.weight"), "lacks lin.2"),
        (lambda tensors: tensors.update({"features.3.bias": np.zeros(3, np.float32)}), "does not suit"),
        (lambda tensors: tensors["features.0.bias"].fill(np.nan), "does not suit"),
    ],
)
def test_weights_that_do_not_suit_are_named(tmp_path, change, words):
    tensors = alexnet()
    change(tensors)
    save_file(tensors, tmp_path / "weights.safetensors")
    with pytest.raises(LikenessError, match=words):
        load_lpips(tmp_path / "weights.safetensors")


def test_a_place_without_weights_is_named(tmp_path):
    with pytest.raises(LikenessError, match="no weights"):
        load_lpips(tmp_path)
    (tmp_path / "weights.pth").write_bytes(b"not a file of torch")
    with pytest.raises(LikenessError, match=r"weights\.pth"):
        load_lpips(tmp_path / "weights.pth")
