"""The parts of a learner's state that every stage has, as arrays: networks, optimisers, random numbers.

What is restored is bit for bit what was written, in memory that torch itself has laid out: some of its sums depend on
where an array begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save

from ..files import write_atomically
from ..jobs.checkpoint import Checkpoint, read_result
from .proxies import Proxies

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Instance = TypeVar("Instance", bound="DataclassInstance")
Arrays = dict[str, npt.NDArray[Any]]


def array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    """A tensor's values, without a copy where they lie in main memory."""
    return tensor.detach().cpu().numpy()


def tensor(values: npt.NDArray[Any]) -> torch.Tensor:
    """A copy in main memory."""
    return torch.tensor(values)


def in_own_memory(part: Instance) -> Instance:
    """A dataclass with copies of its tensors, and of those of layers inside it."""
    changes: dict[str, Any] = {}
    for entry in fields(part):
        value = getattr(part, entry.name)
        if isinstance(value, torch.Tensor):
            changes[entry.name] = value.clone()
        elif isinstance(value, Proxies):
            changes[entry.name] = in_own_memory(value)
    return replace(part, **changes)


def module_arrays(modules: Mapping[str, torch.nn.Module]) -> Arrays:
    """Parameters and buffers of modules, named after their module."""
    return {
        f"{name}.{key}": array(value) for name, module in modules.items() for key, value in module.state_dict().items()
    }


def save_arrays(arrays: Arrays, path: Path) -> None:
    """Write arrays as a ``.safetensors`` file, whole or not at all."""
    write_atomically(path, save({name: np.asarray(values, order="C") for name, values in arrays.items()}))


def load_arrays(path: Path) -> Checkpoint:
    """What :func:`save_arrays` wrote.

    Raises
    ------
    FileNotFoundError
        If nothing has been written yet.
    LikenessError
        If the file is damaged.
    """
    return Checkpoint(read_result(path), {})


def restore_modules(modules: Mapping[str, torch.nn.Module], checkpoint: Checkpoint) -> None:
    """Put back what :func:`module_arrays` gave."""
    for name, module in modules.items():
        module.load_state_dict({key: tensor(values) for key, values in checkpoint.within(name).items()})


def optimiser_arrays(optimiser: torch.optim.Optimizer) -> Arrays:
    """Moments and step counts; step sizes are set anew before each step."""
    states = optimiser.state_dict()["state"]
    return {f"optimiser.{index}.{key}": array(value) for index, state in states.items() for key, value in state.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, checkpoint: Checkpoint) -> None:
    """Put back what :func:`optimiser_arrays` gave."""
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, values in checkpoint.within("optimiser").items():
        index, key = name.split(".")
        states.setdefault(int(index), {})[key] = tensor(values)
    optimiser.load_state_dict({**optimiser.state_dict(), "state": states})


def random_state(random: np.random.Generator) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and facts: where torch's random numbers and a NumPy generator's are."""
    arrays = {"random.cpu": array(torch.get_rng_state())}
    if torch.cuda.is_available():
        arrays["random.cuda"] = array(torch.cuda.get_rng_state())
    return arrays, {"random": random.bit_generator.state}


def restore_random(random: np.random.Generator, checkpoint: Checkpoint) -> None:
    """Put back what :func:`random_state` gave."""
    states = checkpoint.within("random")
    torch.set_rng_state(tensor(states["cpu"]))
    if torch.cuda.is_available() and "cuda" in states:
        torch.cuda.set_rng_state(tensor(states["cuda"]))
    random.bit_generator.state = checkpoint.facts["random"]
