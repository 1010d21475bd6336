"""Several processes that learn one avatar together.

A step looks at some frames. Each process takes its share of them, the gradients of all are summed, and every process
takes the same step, so that all hold the same state at any time. One process that takes all of a step's frames itself
comes to the same result, but for the order of sums.

    torchrun --nproc-per-node 2 -m likeness train CAPTURE AVATAR.glb --set frames_per_step=2
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
from torch import distributed

from ..errors import LikenessError

Item = TypeVar("Item")

LONGEST_PAUSE = timedelta(days=30)
"""How long processes wait for the one that leads while a job is paused; torch's own half hour would end them."""


@dataclass(frozen=True)
class Team:
    """The processes at work.

    Attributes
    ----------
    rank : int
        Which of them this one is; the first leads: it alone writes to the job's folder.
    size : int
        How many they are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the first."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> list[tuple[int, Item]]:
        """The items that are this process's to do, with their places among all."""
        return [(place, item) for place, item in enumerate(items) if place % self.size == self.rank]

    def add(self, tensors: Sequence[torch.Tensor]) -> None:
        """Put into each tensor the sum of what all processes have in it."""
        if self.size == 1 or not tensors:
            return
        together = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(together)
        for tensor, part in zip(tensors, together.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def add_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Sum parameters' gradients over all processes; where one has none, it counts as zero."""
        if self.size == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.add([parameter.grad for parameter in parameters if parameter.grad is not None])

    def total(self, value: float) -> float:
        """The sum of a number over all processes."""
        if self.size == 1:
            return value
        sums = torch.tensor([value], dtype=torch.float64, device=_device())
        distributed.all_reduce(sums)
        return float(sums)

    def agreed(self, value: float) -> float:
        """The first process's number, in all of them: clocks differ, decisions must not."""
        if self.size == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64, device=_device())
        distributed.broadcast(told, 0)
        return float(told)

    def united(self, rows: torch.Tensor) -> torch.Tensor:
        """The indices (M,) that any process has among its own (N,), ascending."""
        if self.size == 1:
            return rows
        counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(self.size)]
        distributed.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
        longest = max(int(count) for count in counts)
        padded = torch.zeros(longest, dtype=rows.dtype, device=rows.device)
        padded[: len(rows)] = rows
        parts = [torch.zeros_like(padded) for _ in range(self.size)]
        distributed.all_gather(parts, padded)
        return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)]).unique()

    def wait(self) -> None:
        """Go on when all processes have come here."""
        self.total(0.0)


ALONE = Team()


@contextmanager
def joined_team(frames_per_step: int) -> Iterator[Team]:
    """The team that ``torchrun`` has started this process for; a team of one without it.

    Raises
    ------
    LikenessError
        If a step's frames cannot be shared evenly.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    if frames_per_step % size:
        raise LikenessError(
            f"{size} processes cannot share frames_per_step={frames_per_step}; give --set frames_per_step={size}."
        )
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # Stage 1 keeps its tensors in main memory, where NCCL does not reach.
    distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=LONGEST_PAUSE)
    try:
        yield Team(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()


def leads() -> bool:
    """Whether this process is the first of its team, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def random_of_frame(seed: int, step: int, place: int) -> np.random.Generator:
    """Random numbers of one frame of a step, torch's own among them, whichever process looks at it."""
    random = np.random.default_rng([seed, step, place])
    torch.manual_seed(int(random.integers(2**62)))
    return random


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
