"""Running Warp kernels on as many processor cores as torch uses: Warp itself runs a CPU kernel on one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import Any

import torch

_FEW = 4000
"""Points that are not worth a second thread."""


def parts(layers: torch.Tensor) -> list[slice]:
    """Cut hits (N,), ordered by layer, between layers into about equal parts, one for each of torch's threads.

    Parts share no layer, hence no texel. One part where the hits are not ordered, or on a GPU.
    """
    count, threads = len(layers), torch.get_num_threads()
    if layers.device.type != "cpu" or threads == 1 or count < 1000 or not bool((layers[1:] >= layers[:-1]).all()):
        return [slice(0, count)]
    starts = torch.searchsorted(layers, torch.arange(int(layers[-1]) + 1, dtype=layers.dtype))
    wanted = torch.arange(1, threads) * count / threads
    cuts = starts[(starts[None] - wanted[:, None]).abs().argmin(1)].unique().tolist()
    bounds = [0, *(cut for cut in cuts if 0 < cut < count), count]
    return [slice(start, stop) for start, stop in pairwise(bounds)]


def on_all_cores(part: Callable[[int, int], None], points: torch.Tensor) -> None:
    """Work on points (N, ...) in as many ranges as torch has threads, or in one where they are few or on a GPU.

    ``part`` is told where a range starts and where it stops; ranges must not write to the same place.
    """
    cores = torch.get_num_threads() if points.device.type == "cpu" and len(points) > _FEW else 1
    bounds = [len(points) * core // cores for core in range(cores + 1)]
    in_parallel([partial(part, start, stop) for start, stop in pairwise(bounds)])


def in_parallel(tasks: Sequence[Callable[[], Any]]) -> None:
    """Run tasks side by side and wait for all. They help only where they leave the interpreter, as kernels do."""
    if len(tasks) < 2:
        for task in tasks:
            task()
        return
    others = [_pool().submit(task) for task in tasks[1:]]
    tasks[0]()
    for other in others:
        other.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="kernels")
