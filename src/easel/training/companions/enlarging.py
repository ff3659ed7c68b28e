"""The upscaler by four: Real-ESRGAN's compact build (Wang et al. 2021), small, for the starter's pictures.

Two kinds of pairs are practised. Compositions at their own size, and made four times smaller: their detail is true.
And parts of what the autoencoder makes of compositions, which is what people will enlarge, with those parts made four
times larger and crisp. The distance is Charbonnier's. Knows nothing of tiles and of who enlarges what.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import nn

from easel.post.compact import Compact
from easel.training.companions.practice import kept_rows
from easel.training.learning.loop import Losses, Plan, train
from easel.training.learning.sheet import write_sheet
from easel.training.networks.autoencoder import encode_mean, psnr
from easel.training.world.scenes import generator
from easel.training.world.source import UNSEEN_SEED, Source, compose
from easel.training.world.styles import blur

SEED = 61
SCALE = 4
CHUNK = 32  # compositions in one kept file: 13 MB at 256 pixels
MARGIN = 4  # pixels round a part, so that making it crisp does not see its border
SOFT = 1e-3  # below this a difference counts by its square (Charbonnier)
FILE = "starter-x4.safetensors"
REDUCTIONS = ("bicubic", "bilinear", "area")


@dataclass(frozen=True)
class UpscalerConfig:
    """The network's size and how it is trained."""

    features: int = 48
    convolutions: int = 12
    pictures: int = 1024  # compositions that are practised
    batch: int = 16  # pairs a step, half of each kind
    part: int = 32  # pixels of what is enlarged
    clean: float = 0.3  # share of parts that have not been through the autoencoder
    noise: float = 0.008  # most of it that is laid over what is enlarged; pictures are in 0..1

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise ValueError(f"batch is {self.batch}; it must be at least 2, one pair of each kind")


@torch.no_grad()
def make_network(features: int, convolutions: int) -> Compact:
    """A new network in which each layer passes on what it gets, a little changed.

    A deep chain without short cuts begins to learn late otherwise: after 100 steps it was 2 dB behind.
    """
    network = Compact(3, features, convolutions, SCALE).to(memory_format=torch.channels_last)
    _, *middle, last = (layer for layer in network.body if isinstance(layer, nn.Conv2d))
    for layer in middle:
        layer.weight.mul_(0.5)[:, :, 1, 1] += torch.eye(features)
    last.weight.mul_(0.1)
    for layer in network.body:
        if isinstance(layer, nn.PReLU):
            nn.init.constant_(layer.weight, 0.5)
        elif isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return network


def crisp(pictures: torch.Tensor, reach: int = 4, strength: float = 3.0) -> torch.Tensor:
    """Pictures (B, C, H, W) with steeper edges: each pixel moves to the nearer of the extremes within `reach` pixels.

    An even slope stays as it is, for there a pixel lies in the middle of its extremes.
    """
    wide = F.pad(pictures, (reach,) * 4, mode="replicate")
    high, low = highest(wide, 2 * reach + 1), -highest(-wide, 2 * reach + 1)
    middle, half = (high + low) / 2, (high - low) / 2
    # averaged, or the extremes' square windows would show
    middle, half = blur(middle, reach // 2), blur(half, reach // 2)
    return torch.lerp(pictures, middle + ((pictures - middle) * strength).clamp(-half, half), (half * 4).clamp(0, 1))


def highest(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """The greatest value in each square of `side` pixels; rows, then columns, which is quicker than both at once."""
    return F.max_pool2d(F.max_pool2d(pictures, (1, side), 1), (side, 1), 1)


def enlarged(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (B, C, H, W) four times larger by bicubic interpolation."""
    return F.interpolate(pictures, scale_factor=SCALE, mode="bicubic", align_corners=False)


def reduced(pictures: torch.Tensor, way: str) -> torch.Tensor:
    """Pictures (B, C, H, W) four times smaller, every pixel counted, in one of REDUCTIONS."""
    if way == "area":
        return F.avg_pool2d(pictures, SCALE)
    size = [side // SCALE for side in pictures.shape[-2:]]
    return F.interpolate(pictures, size=size, mode=way, align_corners=False, antialias=True)


def some_of(numbers: range, size: int = 16) -> list[range]:
    """Numbers of compositions, `size` at a time."""
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]


@torch.no_grad()
def make_pictures(
    source: Source,
    autoencoder: AutoencoderKL,
    config: UpscalerConfig,
    folder: Path,
) -> dict[str, torch.Tensor]:
    """Compositions as painted ("clean") and out of the autoencoder ("decoded"), each (pictures, 3, H, W) uint8."""

    def make(numbers: range) -> dict[str, torch.Tensor]:
        clean, decoded = [], []
        for some in some_of(numbers):
            pictures = compose(source, SEED, some).pictures
            with torch.autocast(pictures.device.type, torch.bfloat16):
                out = autoencoder.decode(encode_mean(autoencoder, pictures)).sample
            clean.append(to_bytes(pictures / 2 + 0.5))
            decoded.append(to_bytes(out.float() / 2 + 0.5))
        return {"clean": torch.cat(clean), "decoded": torch.cat(decoded)}

    kept = kept_rows(folder, "pictures", config.pictures, CHUNK, make)
    return {name: rows.to(source.device) for name, rows in kept.items()}


def to_bytes(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures in 0..1 as they are kept in files."""
    return (pictures.clamp(0, 1) * 255).round().to(torch.uint8)


def whole_pairs(clean: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Small and large of compositions (B, 3, H, W) in 0..1 at their own size, some softened beforehand."""
    way = REDUCTIONS[int(rng.integers(len(REDUCTIONS)))]
    soft = blur(clean, 1) if rng.random() < 0.25 else clean
    return reduced(soft, way).clamp(0, 1), clean


def part_pairs(
    clean: torch.Tensor, decoded: torch.Tensor, config: UpscalerConfig, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Small and large of one part of each composition, (B, 3, part, part) and four times that, in 0..1."""
    small, large, wide = [], [], config.part + 2 * MARGIN
    for row, (y, x) in enumerate(rng.integers(0, clean.shape[-1] - wide + 1, (len(clean), 2))):
        source = clean if rng.random() < config.clean else decoded
        small.append(source[row, :, y : y + wide, x : x + wide])
        large.append(clean[row, :, y : y + wide, x : x + wide])
    inner = slice(SCALE * MARGIN, -SCALE * MARGIN)
    truth = crisp(enlarged(torch.stack(large))).clamp(0, 1)[..., inner, inner]
    return torch.stack(small)[..., MARGIN:-MARGIN, MARGIN:-MARGIN], truth


def varied(
    small: torch.Tensor, large: torch.Tensor, config: UpscalerConfig, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """The pairs mirrored, turned and with their colours swapped, all alike, and noise over the small ones."""
    colours = torch.from_numpy(rng.permutation(3)).to(small.device)
    small, large = small[:, colours], large[:, colours]
    mirrored = [axis for axis in (-1, -2) if rng.random() < 0.5]
    small, large = small.flip(mirrored), large.flip(mirrored)
    if rng.random() < 0.5:
        small, large = small.transpose(-1, -2), large.transpose(-1, -2)
    grain = torch.from_numpy(rng.standard_normal(small.shape, dtype=np.float32)).to(small.device)
    return small + grain * float(config.noise * rng.random()), large


def make_losses(network: Compact, pictures: dict[str, torch.Tensor], config: UpscalerConfig) -> Callable[[int], Losses]:
    """The loss as a function of the step; `pictures` are those of `make_pictures`."""
    clean, decoded = pictures["clean"], pictures["decoded"]
    half = config.batch // 2

    def losses(step: int) -> Losses:
        rng = generator(SEED, 1, step)
        rows = torch.from_numpy(rng.integers(0, len(clean), config.batch)).to(clean.device)
        whole = whole_pairs(clean[rows[:half]].float() / 255, rng)
        parts = part_pairs(clean[rows[half:]].float() / 255, decoded[rows[half:]].float() / 255, config, rng)
        total, values = torch.zeros((), device=clean.device), {}
        for name, pairs in (("whole", whole), ("parts", parts)):
            small, large = varied(*pairs, config, rng)
            with torch.autocast(clean.device.type, torch.bfloat16):
                out = network(small.contiguous(memory_format=torch.channels_last))
            error = out.float() - large
            total = total + ((error.square() + SOFT**2).sqrt() - SOFT).mean() / 2
            values[name] = psnr(error.detach().square().mean(), span=1)
        return {"loss": total, **values}

    return losses


@torch.no_grad()
def measure(
    network: Compact,
    source: Source,
    count: int = 64,
    way: str = "bicubic",
) -> dict[str, float]:
    """Mean PSNR in dB over unseen compositions made four times smaller, in 8 bits, and larger again: both ways."""
    sums = {"network": 0.0, "bicubic": 0.0}
    for some in some_of(range(count)):
        large = to_bytes(compose(source, UNSEEN_SEED, some).pictures / 2 + 0.5).float() / 255
        small = to_bytes(reduced(large, way)).float() / 255
        for name, out in (("network", network(small)), ("bicubic", enlarged(small))):
            seen = to_bytes(out).float() / 255
            sums[name] += float(psnr((seen - large).square().mean((1, 2, 3)), span=1).sum())
    return {name: total / count for name, total in sums.items()}


def save(network: Compact, path: Path, words: str) -> Path:
    """Writes the network in float16 under its published names and returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().half().cpu().contiguous() for name, tensor in network.state_dict().items()}
    facts = {"scale": str(SCALE), "architecture": "SRVGGNetCompact", "title": "Starter x4", "description": words}
    save_file(tensors, path, metadata=facts)
    return path


def train_upscaler(
    source: Source,
    autoencoder: AutoencoderKL,
    config: UpscalerConfig,
    plan: Plan,
    folder: Path,
) -> Compact:
    """Trains (or goes on training) the upscaler in `folder` and writes it there as FILE."""
    pictures = make_pictures(source, autoencoder, config, folder / "pictures")
    torch.manual_seed(SEED)
    network = make_network(config.features, config.convolutions).to(source.device)

    @torch.no_grad()
    def sheet(step: int) -> None:
        found = measure(network, source)
        gain = found["network"] - found["bicubic"]
        words = f"{step} steps of {config.batch} pairs; {gain:+.2f} dB to bicubic on unseen compositions"
        print(f"step {step}: {found['network']:.2f} dB, bicubic {found['bicubic']:.2f} dB", flush=True)
        large = compose(source, UNSEEN_SEED, range(8)).pictures / 2 + 0.5
        small = reduced(large, "bicubic").clamp(0, 1)
        rows = torch.cat([enlarged(small), network(small), large])
        write_sheet(folder / "sheet.png", rows * 2 - 1, ["bicubic"] * 8 + ["network"] * 8 + ["true"] * 8)
        save(network, folder / FILE, words)

    train(network, make_losses(network, pictures, config), plan, folder, sheet)
    return network
