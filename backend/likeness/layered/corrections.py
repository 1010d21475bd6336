"""Per-frame corrections: what keeps them plausible, and an Adam that moves a frame's row only when it was seen."""

from __future__ import annotations

import numpy as np
import torch

from .deformation import PoseCorrections
from .learning_state import Arrays, array, tensor
from .presets import FineTuningPreset

_FIRST_DECAY, _SECOND_DECAY = 0.8, 0.99


def correction_loss(
    corrections: PoseCorrections, index: int, training: tuple[int, ...], numbers: FineTuningPreset
) -> torch.Tensor:
    """What a frame's corrections cost: expressions that are not small, and a change that its neighbours do not share.

    Parameters
    ----------
    corrections : PoseCorrections
    index : int
        Of a training frame; gradients reach its corrections alone.
    training : tuple of int
        Training frames; others have no corrections, and are nobody's neighbours.
    numbers : FineTuningPreset
        Gives the weights.
    """
    loss = numbers.expression_weight * corrections.expression[index].square().sum()
    if not numbers.temporal_weight or index - 1 not in training or index + 1 not in training:
        return loss
    for parameter, rate in _rates(corrections, numbers):
        if rate == 0:
            continue
        expected = 0.5 * (parameter[index - 1] + parameter[index + 1]).detach()
        loss = loss + numbers.temporal_weight * ((parameter[index] - expected) / rate).square().sum()
    return loss


class CorrectionOptimiser:
    """Learns :class:`PoseCorrections`, one frame at a time.

    A frame is seen once in as many steps as there are frames. An ordinary Adam would drive its corrections on by old
    momentum meanwhile.

    Parameters
    ----------
    corrections : PoseCorrections
    numbers : FineTuningPreset
        Gives the step sizes.
    """

    def __init__(self, corrections: PoseCorrections, numbers: FineTuningPreset) -> None:
        self._rates = _rates(corrections, numbers)
        self._first = [torch.zeros_like(parameter) for parameter, _ in self._rates]
        self._second = [torch.zeros_like(parameter) for parameter, _ in self._rates]
        self._visits = [0] * len(corrections.expression)

    def arrays(self) -> Arrays:
        """The state, from which :meth:`restore` goes on."""
        moments = {f"first.{place}": array(value) for place, value in enumerate(self._first)}
        moments |= {f"second.{place}": array(value) for place, value in enumerate(self._second)}
        return {"visits": np.array(self._visits, np.int32), **moments}

    def restore(self, arrays: Arrays) -> None:
        """Put back what :meth:`arrays` gave."""
        self._visits = arrays["visits"].tolist()
        for place in range(len(self._rates)):
            self._first[place].copy_(tensor(arrays[f"first.{place}"]))
            self._second[place].copy_(tensor(arrays[f"second.{place}"]))

    @torch.no_grad()
    def step(self, *indices: int, decay: float) -> None:
        """Move frames against their gradients, with step sizes times ``decay``, and forget the gradients."""
        for index in indices:
            self._step(index, decay)
        for parameter, _ in self._rates:
            parameter.grad = None

    def _step(self, index: int, decay: float) -> None:
        self._visits[index] += 1
        visit = self._visits[index]
        for (parameter, rate), first, second in zip(self._rates, self._first, self._second, strict=True):
            if parameter.grad is None:
                continue
            gradient = parameter.grad[index]
            first[index].lerp_(gradient, 1 - _FIRST_DECAY)
            second[index].lerp_(gradient.square(), 1 - _SECOND_DECAY)
            mean = first[index] / (1 - _FIRST_DECAY**visit)
            spread = (second[index] / (1 - _SECOND_DECAY**visit)).sqrt()
            parameter[index] -= rate * decay * mean / (spread + 1e-12)


def _rates(corrections: PoseCorrections, numbers: FineTuningPreset) -> list[tuple[torch.nn.Parameter, float]]:
    """All corrections with their step sizes."""
    return [
        (corrections.expression, numbers.expression_rate),
        (corrections.root_rotation, numbers.rotation_rate),
        (corrections.root_translation, numbers.translation_rate),
        (corrections.neck_rotation, numbers.rotation_rate),
        (corrections.camera_shift, numbers.translation_rate),
    ]
