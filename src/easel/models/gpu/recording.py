"""CUDA graphs: the recorder of graphs.py on a card. Knows torch.cuda; decides nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from easel.models.gpu.graphs import Recorded
from easel.models.gpu.inputs import Inputs

WARM_UPS = 2  # runs before the recording: libraries choose their kernels and take their working memory in them


class PinnedBuffers:
    """Inputs on a card, filled through memory that the system never moves, so that the copies wait for nothing.

    Whoever fills them again has waited for the forward before, whose result was copied out. What is on the card
    already, as what adapters tell a denoiser, is copied there.
    """

    def __init__(self, inputs: Inputs, device: torch.device) -> None:
        self.there = inputs.each(lambda value: torch.empty_like(value, device=device))
        self._near = [
            torch.empty_like(value).pin_memory() if value.device.type == "cpu" else None for value in inputs.tensors
        ]
        self.bytes = sum(value.nbytes for value in self.there.tensors)

    def fill(self, inputs: Inputs) -> None:
        """Let the card hold other numbers of the same shapes."""
        for value, near, there in zip(inputs.tensors, self._near, self.there.tensors, strict=True):
            if near is None or value.device.type != "cpu":
                there.copy_(value)
            else:
                near.copy_(value)
                there.copy_(near, non_blocking=True)


class CudaRecorder:
    """Records on a stream of its own, all recordings in one pool of memory."""

    def __init__(self, device: str = "cuda") -> None:
        self._device = torch.device(device)
        self._stream = torch.cuda.Stream(self._device)
        self._pool = torch.cuda.graph_pool_handle()

    def buffers(self, inputs: Inputs) -> PinnedBuffers:
        """Return buffers on the card."""
        return PinnedBuffers(inputs, self._device)

    def record(self, forward: Callable[[], Tensor]) -> Recorded:
        """Return a CUDA graph of a forward, which may not look at numbers on the card. Raises RuntimeError if it does.

        Other threads may compile meanwhile, so that only what this one does is held to what a recording allows.
        """
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                forward()
        current.wait_stream(self._stream)
        before = torch.cuda.memory_reserved(self._device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            output = forward()
        grown = max(torch.cuda.memory_reserved(self._device) - before, 0)
        return Recorded(output, graph.replay, max(grown, output.nbytes))
