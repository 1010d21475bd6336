"""The same sums in the same order each time, so that the same seed gives the same avatar on several threads too."""

# torch defines the switch below as a property of the module, which type checkers do not see.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def repeatable_sums(device: torch.device) -> Iterator[None]:
    """Let torch add up gradients in a fixed order on a CPU.

    Left to itself, torch lets several threads add to the same vertex or texel by atomic operations, in whichever order
    they come. On a CPU the fixed order is no slower; on a GPU it is, and some operations have none.
    """
    if device.type != "cpu":
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    # Filling fresh memory finds mistakes and takes time; sums do not need it.
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.utils.deterministic.fill_uninitialized_memory = before[1]
