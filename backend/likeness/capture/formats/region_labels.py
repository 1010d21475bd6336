"""Which part of the person each pixel shows, drawn from the posed head and the matte, in other people's numbers.

These stand in for a face parser's output. The head model knows skin, eyes, lips and neck where it is seen; all else of
the matte is hair where it lies above the chin, and cloth below. Glasses, hats and ears that the head model does not
tell apart are not told apart.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ...raster.render_mesh import surface_hits
from ...raster.select import rasteriser
from ..model import Capture

Picture = npt.NDArray[np.uint8]

PARSER = {"skin": 1, "eye_l": 4, "eye_r": 5, "mouth": 11, "lips": 12, "neck": 14, "cloth": 16, "hair": 17}
"""Numbers of the 19-class face parser (CelebAMask-HQ) that IMavatar uses. The parser's left eye is the subject's."""

INSTA_CLASSES = (0, 250, 240, 230, 210, 200, 190, 180, 170, 160, 150, 140, 130, 120, 110, 100, 90, 80, 70)
"""Values in the red channel of INSTA's masks, in the order of :data:`likeness.capture.semantics.CLASSES`."""

DRAWN = "drawn by Likeness from the posed head model and the matte"
"""What is said of labels that no face parser made."""

PARSED = "of the data set, a face parser's 19 classes"
"""What is said of others."""

_CHIN = 152


def parser_labels(capture: Capture, index: int, matte: Picture) -> Picture:
    """Labels (H, W) of one frame in the face parser's numbers, zero for the background."""
    head, camera = capture.head, capture.camera(index)
    points = head.posed(capture.pose(index), capture.identity)
    hits = surface_hits(rasteriser(torch.device("cpu")), points, torch.from_numpy(head.faces.copy()), camera)
    of_face = np.full(len(head.faces), PARSER["skin"], np.uint8)
    for region in ("neck", "lips", "mouth"):
        if region in head.regions:
            of_face[head.regions[region]] = PARSER[region]
    left = head.template[head.faces].mean(1)[:, 0] > 0
    of_face[head.regions["teeth"]] = PARSER["mouth"]
    of_face[head.regions["eyes"] & left] = PARSER["eye_l"]
    of_face[head.regions["eyes"] & ~left] = PARSER["eye_r"]
    chin = camera.project(head.landmarks(points)[_CHIN])[1]
    rows = np.arange(capture.height)[:, None] + 0.5
    beside = np.where(rows < chin, np.uint8(PARSER["hair"]), np.uint8(PARSER["cloth"]))
    result = np.broadcast_to(beside, matte.shape).copy()
    result.ravel()[hits.pixels.numpy()] = of_face[hits.faces.numpy()]
    return np.where(matte > 127, result, np.uint8(0))
