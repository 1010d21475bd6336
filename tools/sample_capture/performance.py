"""What the stand-in does before the camera: 160 frames in which it talks, makes every face it can make, and turns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from likeness.head.model import HeadModel
from likeness.rig import Pose
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float64]

FRAMES = 160
FRAME_RATE = 25.0
HELD_OUT = tuple(range(128, FRAMES))

# Degrees: yaw to the subject's left, pitch down, roll to the subject's right shoulder. The held-out part turns a
# little further than what was trained, as a user will.
_HEAD_TURNS = {
    0: (0, 0, 0), 10: (-5, 4, 3), 20: (-18, 6, 4), 30: (-25, -2, -2), 40: (-19, -12, -8), 50: (-6, -4, -3),
    58: (12, 2, 2), 66: (25, 7, 6), 75: (20, 12, 8), 85: (8, 2, 3), 94: (-9, -7, -2), 102: (-19, 1, 0), 110: (-4, 5, 5),
    118: (14, 2, 3), 124: (19, -3, 2), 130: (22, -7, -3), 136: (28, -5, -6), 144: (6, 5, 0), 153: (-28, 3, 5),
    159: (-19, -1, 2),
}  # fmt: skip

# Degrees of the gaze against the head (to the left, down) and the frame from which it holds; eyes jump in two frames.
_GAZE = {
    0: (0, 0), 9: (5, -3), 17: (12, 2), 26: (22, -2), 35: (4, 21), 46: (-3, 3), 55: (-22, 2), 66: (-8, -4),
    74: (0, -21), 84: (-6, 4), 92: (8, 12), 101: (15, -3), 109: (0, 0), 120: (-9, 4), 131: (-16, 2), 138: (-3, -6),
    146: (10, 3), 152: (17, 5), 157: (6, 0),
}  # fmt: skip
_LID_FOLLOWS_AT = 25.0
"""Degrees of gaze at which an eyeLook shape reaches one."""

_BLINKS = (13, 51, 90, 114, 140, 156)
_BLINK_SHAPE = (0.0, 0.55, 1.0, 0.95, 0.6, 0.25, 0.06, 0.0)

# Peak frame of every expression made on purpose; both sides of a pair peak a frame apart and not equally strong.
_PEAKS = {
    "mouthSmile": (24,), "cheekSquint": (26,), "mouthDimple": (30,), "mouthPress": (34,), "mouthPucker": (38,),
    "mouthFunnel": (43,), "jawOpen": (48, 54), "tongueOut": (48,), "mouthClose": (54,), "mouthStretch": (60,),
    "mouthFrown": (64,), "mouthShrugLower": (68,), "mouthShrugUpper": (72,), "mouthRollLower": (76,),
    "mouthRollUpper": (80,), "mouthUpperUp": (84,), "noseSneer": (86,), "mouthLowerDown": (90,), "jawForward": (94,),
    "jawLeft": (98,), "mouthLeft": (100,), "jawRight": (103,), "mouthRight": (105,), "cheekPuff": (110,),
    "browInnerUp": (20, 149), "browDown": (36, 144), "eyeWide": (59, 133), "browOuterUp": (61, 134),
    "eyeSquint": (70, 146),
}  # fmt: skip
_HALF_WIDTH = 5
_HELD_OUT_STRENGTH = 0.6

# Jaw turn in degrees and the expressions of a few visemes.
_VISEMES: dict[str, tuple[float, dict[str, float]]] = {
    "rest": (0.0, {}),
    "a": (10.0, {"mouthLowerDown": 0.25, "mouthUpperUp": 0.15}),
    "e": (5.0, {"mouthStretch": 0.3, "mouthSmile": 0.2}),
    "i": (2.5, {"mouthSmile": 0.4, "mouthStretch": 0.15, "mouthLowerDown": 0.15}),
    "o": (6.5, {"mouthFunnel": 0.55}),
    "u": (2.5, {"mouthPucker": 0.6, "mouthFunnel": 0.2}),
    "m": (0.0, {"mouthPress": 0.35, "mouthRollLower": 0.15, "mouthRollUpper": 0.1}),
    "f": (1.5, {"mouthRollLower": 0.45, "mouthUpperUp": 0.2}),
    "l": (4.0, {"mouthLowerDown": 0.35, "mouthUpperUp": 0.1}),
    "smile": (1.0, {"mouthSmile": 0.75, "cheekSquint": 0.45, "mouthUpperUp": 0.2}),
}
_SPEECH = {
    0: "rest", 2: "m", 5: "a", 8: "l", 11: "o", 14: "u", 17: "i", 20: "rest",
    113: "rest", 116: "f", 118: "a", 121: "m", 123: "e", 126: "o", 129: "l", 132: "a", 135: "u", 138: "m", 141: "i",
    144: "f", 147: "o", 150: "e", 154: "smile", 158: "smile", 159: "smile",
}  # fmt: skip

_SWAY = 0.003
"""Metres that the shoulders drift."""


@dataclass(frozen=True)
class Performance:
    """Parameters of every frame, as :class:`likeness.capture.model.Capture` holds them."""

    expression: npt.NDArray[np.float32]
    root_rotation: npt.NDArray[np.float32]
    root_translation: npt.NDArray[np.float32]
    joint_rotations: npt.NDArray[np.float32]

    def pose(self, frame: int) -> Pose:
        """The pose of one frame."""
        return Pose(
            self.expression[frame], self.root_rotation[frame], self.root_translation[frame], self.joint_rotations[frame]
        )


def perform(head: HeadModel) -> Performance:
    """The performance for a head whose expressions bear ARKit's names.

    Raises
    ------
    ValueError
        If the head has an expression for which the performance has no moment.
    """
    speech_jaw, speech = _speech()
    gaze = _gaze()
    blinks = _blinks()
    expression = np.zeros((FRAMES, head.expression_count))
    for column, name in enumerate(head.expression_names):
        action, side = _action_and_side(name)
        if action == "eyeBlink":
            weight = blinks
        elif action.startswith("eyeLook"):
            weight = _lid_following(action, side, gaze)
        elif action in _PEAKS:
            weight = _bumps(_PEAKS[action], side, np.array(head.expression_range[column, 1]))
        else:
            raise ValueError(f"The performance has no moment for the expression {name!r}.")
        expression[:, column] = np.maximum(weight, speech.get(action, 0.0))
    neck = _keyed(_HEAD_TURNS)
    # Yaw outermost, as a neck turns; the jaw joint is closed wherever jawOpen is used.
    rotations = np.zeros((FRAMES, 4, 3))
    rotations[:, 0] = Rotation.from_euler("YXZ", neck, degrees=True).as_rotvec()
    rotations[:, 1, 0] = np.radians(speech_jaw)
    turn = Rotation.from_euler("YX", gaze, degrees=True).as_rotvec()
    rotations[:, 2:] = turn[:, None]
    time = np.arange(FRAMES) / FRAME_RATE
    drift = np.stack([np.sin(0.9 * time), 0.4 * np.sin(1.7 * time), 0.8 * np.sin(0.6 * time)], -1)
    lean = np.radians(0.8) * np.stack([np.sin(0.7 * time), np.sin(0.5 * time), np.sin(1.1 * time)], -1)
    return Performance(
        expression.astype(np.float32),
        lean.astype(np.float32),
        (_SWAY * drift).astype(np.float32),
        rotations.astype(np.float32),
    )


def _action_and_side(name: str) -> tuple[str, str]:
    """``mouthSmile_L`` or ``mouthSmileLeft`` as ``("mouthSmile", "L")``; jawLeft and mouthLeft are no sides."""
    match = re.fullmatch(r"(?!jaw|mouth(?:Left|Right)$)(.+?)_?(L|R|Left|Right)", name)
    return (match[1], match[2][0]) if match else (name, "")


def _bumps(peaks: tuple[int, ...], side: str, highest: Array) -> Array:
    """Raised cosines (FRAMES,) at some frames; the right side later and weaker."""
    frames = np.arange(FRAMES)
    total = np.zeros(FRAMES)
    for peak in peaks:
        strength = _HELD_OUT_STRENGTH if peak in HELD_OUT else 1.0
        centre, height = (peak + 1, 0.88 * strength) if side == "R" else (peak, strength)
        distance = np.minimum(np.abs(frames - centre) / _HALF_WIDTH, 1)
        total = np.maximum(total, height * 0.5 * (1 + np.cos(np.pi * distance)))
    return np.asarray(total * np.minimum(highest, 1.0), np.float64)


def _blinks() -> Array:
    weight = np.zeros(FRAMES)
    for start in _BLINKS:
        part = weight[start : start + len(_BLINK_SHAPE)]
        part[:] = np.maximum(part, _BLINK_SHAPE[: len(part)])
    return weight


def _gaze() -> Array:
    """Gaze (FRAMES, 2) in degrees: to the left, down; held between jumps."""
    keys: dict[int, tuple[float, ...]] = {}
    held = _GAZE[0]
    for frame, target in _GAZE.items():
        if frame:
            keys[frame] = held
        keys[frame + 2 if frame else 0] = target
        held = target
    return _keyed(keys)


def _lid_following(action: str, side: str, gaze: Array) -> Array:
    left, down = gaze.T
    outwards = left if side == "L" else -left
    angle = {"eyeLookUp": -down, "eyeLookDown": down, "eyeLookIn": -outwards, "eyeLookOut": outwards}[action]
    return np.clip(angle / _LID_FOLLOWS_AT, 0, 1)


def _speech() -> tuple[Array, dict[str, Array]]:
    """Jaw turn (FRAMES,) in degrees, and the weight (FRAMES,) of each expression that speech uses."""
    jaw = _keyed({frame: (_VISEMES[name][0],) for frame, name in _SPEECH.items()})[:, 0]
    used = {action for _, shapes in _VISEMES.values() for action in shapes}
    weights = {
        action: _keyed({frame: (_VISEMES[name][1].get(action, 0.0),) for frame, name in _SPEECH.items()})[:, 0]
        for action in sorted(used)
    }
    return jaw, weights


def _keyed(keys: Mapping[int, tuple[float, ...]]) -> Array:
    """Values (FRAMES, K) through keys, without overshoot; the last one is held."""
    times = sorted(keys)
    curve = PchipInterpolator(times, np.array([keys[time] for time in times], float))
    return np.asarray(curve(np.minimum(np.arange(FRAMES), times[-1])), np.float64)
