"""What a film shows of a head and what it lacks: views, expressions, gazes, and what to film to fill the gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..rig import POSED_JOINTS
from .gaze import HIDDEN, openness
from .model import Capture

Floats = npt.NDArray[np.float64]

VIEW_SECONDS, EXPRESSION_SECONDS = 1.0, 0.2
"""How long a view, and a strong expression, must be seen in training frames before an avatar can be sure of it."""

BLINK_SECONDS = 0.12
"""How long closed eyes must be seen: a few frames of blinks."""

GAZE_ANGLE = 8.0
"""Turn of the eyes that counts as looking aside, degrees."""

# Name, yaw in degrees (to the subject's left), pitch in degrees (down), and what to film.
_VIEWS = (
    ("from the front", (-12, 12), (-12, 12), "Look straight into the camera for a few seconds."),
    ("turned right", (-45, -15), (-30, 30), "Turn the head slowly to your right, until one ear is hidden."),
    ("turned left", (15, 45), (-30, 30), "Turn the head slowly to your left, until one ear is hidden."),
    ("far right", (-90, -30), (-30, 30), "Turn further to your right, to 40 degrees, for sides that hold up."),
    ("far left", (30, 90), (-30, 30), "Turn further to your left, to 40 degrees, for sides that hold up."),
    ("from below", (-45, 45), (-60, -10), "Lift the chin, so that its underside is seen."),
    ("from above", (-45, 45), (10, 60), "Lower the chin, so that the crown is seen."),
)

# Name, beginnings of expressions' names, weight that counts as strong, and what to film.
_EXPRESSIONS = (
    ("mouth wide open", ("jawopen",), 0.5, "Open the mouth wide, as for a dentist."),
    ("eyes wide", ("eyewide",), 0.5, "Open the eyes wide."),
    ("smile", ("mouthsmile",), 0.5, "Smile broadly, with teeth."),
    ("lips forward", ("mouthpucker", "mouthfunnel"), 0.5, "Push the lips forward, as in 'oo' and 'sh'."),
    ("lips stretched", ("mouthstretch", "mouthdimple"), 0.4, "Draw the corners of the mouth apart, as in 'ee'."),
    ("teeth shown", ("mouthupperup", "mouthlowerdown"), 0.4, "Show upper and lower teeth with the jaw closed."),
    ("lips rolled in", ("mouthroll", "mouthpress"), 0.4, "Press the lips together and roll them in, as in 'mm'."),
    ("corners down", ("mouthfrown",), 0.3, "Pull the corners of the mouth down."),
    ("brows up", ("browinnerup", "browouterup"), 0.5, "Raise the brows."),
    ("brows down", ("browdown",), 0.5, "Frown."),
    ("nose wrinkled", ("nosesneer",), 0.3, "Wrinkle the nose."),
    ("cheeks puffed", ("cheekpuff",), 0.4, "Puff the cheeks."),
)

_GAZES = (
    ("eyes up", 0, -1, "Look up without moving the head."),
    ("eyes down", 0, 1, "Look down without moving the head."),
    ("eyes to the left", 1, 1, "Look to your left without moving the head."),
    ("eyes to the right", 1, -1, "Look to your right without moving the head."),
)


@dataclass(frozen=True)
class Sight:
    """How long something was seen in the training frames.

    Attributes
    ----------
    kind : str
        ``"view"``, ``"expression"`` or ``"gaze"``.
    name : str
    seconds, wanted : float
    advice : str
        What to film if it was not seen for long enough.
    """

    kind: str
    name: str
    seconds: float
    wanted: float
    advice: str

    @property
    def lacking(self) -> bool:
        """Whether it was not seen for long enough."""
        return self.seconds < self.wanted


def coverage(capture: Capture) -> list[Sight]:
    """How long the training frames show each view, expression and gaze that an avatar should know.

    Expressions are judged by ARKit's names; a head model with other names has only closed eyes in the table.
    """
    frames = list(capture.training)
    each = 1.0 / capture.frame_rate

    def seconds(shown: npt.NDArray[np.bool_]) -> float:
        return round(float(shown.sum()) * each, 3)

    yaw, pitch = capture.head_turns[frames].T
    sights = [
        Sight("view", name, seconds(_within(yaw, yaws) & _within(pitch, pitches)), VIEW_SECONDS, advice)
        for name, yaws, pitches, advice in _VIEWS
    ]
    names = [name.lower().replace("_", "") for name in capture.head.expression_names]
    for name, beginnings, strong, advice in _EXPRESSIONS:
        columns = [index for index, known in enumerate(names) if known.startswith(beginnings)]
        if columns:
            shown = seconds(capture.expression[frames][:, columns].max(1) >= strong)
            sights.append(Sight("expression", name, shown, EXPRESSION_SECONDS, advice))
    landmarks = capture.landmarks[frames]
    closed = np.max([openness(landmarks, eye) for eye in ("eye_l", "eye_r")], axis=0) < HIDDEN
    sights.append(Sight("expression", "eyes closed", seconds(closed), BLINK_SECONDS, "Close both eyes for a second."))
    eyes = [POSED_JOINTS.index(name) for name in ("eye_l", "eye_r")]
    turns = np.degrees(capture.joint_rotations[frames][:, eyes].mean(1))
    for name, axis, sign, advice in _GAZES:
        shown = seconds(sign * turns[:, axis] >= GAZE_ANGLE)
        sights.append(Sight("gaze", name, shown, EXPRESSION_SECONDS, advice))
    return sights


def advice(sights: list[Sight]) -> list[str]:
    """What to film, one sentence for each thing that was seen too little."""
    return [sight.advice for sight in sights if sight.lacking]


def _within(values: Floats, limits: tuple[float, float]) -> npt.NDArray[np.bool_]:
    return (values >= limits[0]) & (values <= limits[1])
