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
OVERHEAD = 600  # bytes at most of a layer's three names and shapes in the file's header


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

    @torch.no_grad()
    def strongest(self, most: float) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """The factors (down, up) by flat name that change the network most in `most` bytes of float16.

        Each change is taken apart into its singular vectors; those with the greatest squares for their bytes stay, so
        layers come to ranks of their own, and what hardly changes is left out.
        """
        parts: dict[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}
        worth: list[tuple[float, float, str]] = []
        for flat in self.layers:
            up, down = self.up[flat].flatten(1).double(), self.down[flat].flatten(1).double()
            left, small = torch.linalg.qr(up)
            wide, short = torch.linalg.qr(down.T)
            inner, sizes, outer = torch.linalg.svd(small @ short.T, full_matrices=False)
            parts[flat] = left @ inner, sizes, outer @ wide.T
            price = 2.0 * (len(up) + down.shape[1])
            worth += [(float(size) ** 2 / price, price, flat) for size in sizes]
        kept, room = dict.fromkeys(self.layers, 0), most - OVERHEAD * len(self.layers)
        for value, price, flat in sorted(worth, reverse=True):
            if value > 0 and price <= room:
                kept[flat], room = kept[flat] + 1, room - price
        found: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        for flat, rank in ((flat, rank) for flat, rank in kept.items() if rank):
            left, sizes, right = (part.float() for part in parts[flat])
            root = sizes[:rank].sqrt()
            down = (root[:, None] * right[:rank]).view(rank, *self.down[flat].shape[1:])
            up = (left[:, :rank] * root).view(-1, rank, *self.up[flat].shape[2:])
            found[flat] = down, up
        return found

    def save(self, path: Path, metadata: Mapping[str, str], megabytes: float) -> Path:
        """Writes the strongest factors that fit into a file of so many megabytes, in float16; returns the path."""
        tensors: dict[str, torch.Tensor] = {}
        for flat, (down, up) in self.strongest(megabytes * 1e6).items():
            tensors[f"{PREFIX}{flat}.lora_down.weight"] = down.half().cpu().contiguous()
            tensors[f"{PREFIX}{flat}.lora_up.weight"] = up.half().cpu().contiguous()
            tensors[f"{PREFIX}{flat}.alpha"] = torch.tensor(float(len(down)), dtype=torch.float16)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path, metadata=dict(metadata))
        return path
