"""Clothes, where a capture comes with labels."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from likeness.capture.sample import sample_capture
from likeness.capture.semantics import FOLDER, has_semantics
from likeness.errors import LikenessError
from likeness.evaluate.cloth import cloth_mask


@pytest.fixture
def capture(tmp_path):
    return replace(sample_capture(), folder=tmp_path)


def test_labels_of_cloth_and_necklace_are_cloth(capture, tmp_path):
    assert not has_semantics(capture)
    (tmp_path / FOLDER).mkdir()
    labels = np.zeros((capture.height, capture.width), np.uint8)
    labels[capture.height // 2 :] = 16
    labels[: capture.height // 4, : capture.width // 2] = 15
    labels[: capture.height // 4, capture.width // 2 :] = 17
    name = capture.frames[3].split("/")[-1].split(".")[0]
    cv2.imwrite(str(tmp_path / FOLDER / f"{name}.png"), labels)
    assert has_semantics(capture)
    mask = cloth_mask(capture, 3, 16)
    assert mask[8:].all() and mask[:4, :8].all()
    assert not mask[:4, 8:].any() and not mask[4:8].any()
    # A pixel takes the label in its middle.
    labels[:] = 16 * (np.arange(capture.width) % (capture.width // 16) == capture.width // 32)
    cv2.imwrite(str(tmp_path / FOLDER / f"{name}.png"), labels)
    assert cloth_mask(capture, 3, 16).all()
    with pytest.raises(LikenessError, match=FOLDER):
        cloth_mask(capture, 4, 16)
