"""The field's 68 landmarks (iBUG 300-W) and two irises among MediaPipe's 478 points."""

from __future__ import annotations

from ...head.flame_files import INNER_LANDMARKS
from ..landmarks import LEFT_IRIS, RIGHT_IRIS

OUTLINE_LANDMARKS = (162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389)
"""MediaPipe's points nearest to landmarks 1 to 17: the outline, from the subject's right ear over the chin."""

LANDMARKS_70 = (*OUTLINE_LANDMARKS, *INNER_LANDMARKS, RIGHT_IRIS, LEFT_IRIS)
"""MediaPipe's points nearest to the 68 landmarks, then the subject's right and left iris."""
