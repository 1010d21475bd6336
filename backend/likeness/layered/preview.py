"""Pictures that show a person how far training is."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from .compositing import linear_to_srgb, over

_BACKGROUND = 0.25


def side_by_side(truth: torch.Tensor, picture: torch.Tensor, size: tuple[int, int]) -> bytes:
    """What was filmed, left, and what is learnt, right, as a PNG file.

    Parameters
    ----------
    truth, picture : (H*W, 4)
        Linear light, premultiplied.
    size : (int, int)
        Width and height, pixels.
    """
    background = torch.full((3,), _BACKGROUND, device=picture.device)
    halves = [linear_to_srgb(over(part, background)).view(size[1], size[0], 3) for part in (truth, picture)]
    pixels = (torch.cat(halves, 1) * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    written, content = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))
    if not written:
        raise ValueError(f"a picture of {pixels.shape} pixels is no PNG file")
    return content.tobytes()
