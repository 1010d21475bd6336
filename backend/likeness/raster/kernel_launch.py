"""How torch tensors reach Warp kernels: without a copy, on whichever device they live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import warp as wp

from ..quiet import silenced

# Warp greets on the first launch and reports each module that it compiles; a library keeps quiet.
wp.config.log_level = wp.LOG_ERROR
if torch.cuda.is_available():
    wp.init()
else:
    # Warp warns that there is no CUDA driver, past its own log level.
    with silenced():
        wp.init()


def warp_view(tensor: torch.Tensor, dtype: Any = wp.float32) -> Any:
    """A Warp array over a tensor's own memory.

    Parameters
    ----------
    tensor : torch.Tensor
        Contiguous; its last axis is taken up by ``dtype`` when that is a vector.
    dtype : Warp type
        What one element is, for example ``wp.vec3``.

    Returns
    -------
    wp.array
    """
    if tensor.numel() == 0:
        # Warp cannot tell the layout of an empty tensor.
        return wp.empty(0, dtype=dtype, device=wp.device_from_torch(tensor.device))
    return wp.from_torch(tensor.detach(), dtype=dtype)


def launch(kernel: Any, count: int, inputs: Sequence[Any], device: torch.device) -> None:
    """Run a kernel over ``count`` threads on the device that holds its tensors, in torch's own stream there.

    Warp runs a CPU kernel's threads one after another on the calling thread, and a CUDA kernel's in parallel.
    """
    if count == 0:
        return
    wp.launch(kernel, dim=count, inputs=list(inputs), **_place(device))


def launch_adjoint(
    kernel: Any, count: int, inputs: Sequence[Any], adjoints: Sequence[Any], device: torch.device
) -> None:
    """Run the adjoint that Warp derives from a kernel.

    Parameters
    ----------
    kernel : Warp kernel
        Made with its backward pass enabled.
    count : int
        Threads, as in the forward launch.
    inputs : sequence
        The kernel's arguments, outputs among them.
    adjoints : sequence
        For each argument its gradient's array, or None where it has none. Gradients of what the kernel reads are added
        to; those of what it writes are read.
    device : torch.device
    """
    if count == 0:
        return
    wp.launch(
        kernel,
        dim=count,
        inputs=list(inputs),
        adj_inputs=list(adjoints),
        adj_outputs=[],
        adjoint=True,
        **_place(device),
    )


def _place(device: torch.device) -> dict[str, Any]:
    if device.type == "cuda":
        stream = wp.stream_from_torch(torch.cuda.current_stream(device))
        return {"device": wp.device_from_torch(device), "stream": stream}
    return {"device": "cpu"}
