"""Low-rank changes of a network's layers as something to train: the factors, the changed weights, the file.

The file is kohya's: names with "_" for ".", lora_down, lora_up and alpha, which every program reads.  Knows layers and
their shapes; knows neither what is learned nor where the network comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

PREFIX = "lora_unet_"


class Factors(nn.Module):
    """A pair of factors for every linear and convolutional layer of `network`, which is left alone (Hu et al. 2021).

    Up is zero at first, so that nothing is changed.  Down is drawn from the generator of `seed`.
    """

    def __init__(self, network: nn.Module, rank: int, seed: int = 0) -> None:
        super().__init__()
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        self.layers: dict[str, str] = {}  # the flat name of each layer to its own
        rng = torch.Generator().manual_seed(seed)
        for name, layer in network.named_modules():
            if not isinstance(layer, nn.Linear | nn.Conv2d):
                continue
            rows, *columns = layer.weight.shape
            flat, least = name.replace(".", "_"), min(rank, rows, layer.weight[0].numel())
            spread = layer.weight[0].numel() ** -0.5
            self.down[flat] = nn.Parameter(torch.randn(least, *columns, generator=rng) * spread)
            self.up[flat] = nn.Parameter(torch.zeros(rows, least, *(1 for _ in columns[1:])))
            self.layers[flat] = name

    def changes(self) -> dict[str, torch.Tensor]:
        """What is added to each layer's weight, by the layer's own name and in its shape."""
        return {
            name: (self.up[flat].flatten(1) @ self.down[flat].flatten(1)).view(-1, *self.down[flat].shape[1:])
            for flat, name in self.layers.items()
        }

    def weights(self, own: Mapping[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """The changed weights by parameter name, for `torch.func.functional_call`; `own` are the network's."""
        found: dict[str, torch.Tensor] = {}
        for name, change in self.changes().items():
            weight = (own[f"{name}.weight"] + change).to(dtype)
            found[f"{name}.weight"] = (
                weight.contiguous(memory_format=torch.channels_last) if weight.ndim == 4 else weight
            )
        return found

    def save(self, path: Path, metadata: Mapping[str, str]) -> Path:
        """Writes the factors in float16 and returns the path."""
        tensors: dict[str, torch.Tensor] = {}
        for flat in self.layers:
            down, up = self.down[flat].detach().half().contiguous(), self.up[flat].detach().half().contiguous()
            tensors[f"{PREFIX}{flat}.lora_down.weight"] = down
            tensors[f"{PREFIX}{flat}.lora_up.weight"] = up
            tensors[f"{PREFIX}{flat}.alpha"] = torch.tensor(float(len(down)), dtype=torch.float16)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path, metadata=dict(metadata))
        return path
