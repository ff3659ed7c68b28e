"""The motion module: layers between the U-Net's own in which the frames of a clip look at each other.

AnimateDiff's build (Guo et al. 2024) and names, so that the file is one of its second version. The U-Net stays frozen;
the new layers say nothing at first. They see no words: these reach them only through what the U-Net makes of them.
Does not know how the model was made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel, UNetMotionModel
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPTokenizer

from easel.core.errors import BadValue
from easel.training.companions.drawing import Network, drawn_latents
from easel.training.companions.paths import SMOOTH, follows, jump, moves, path_of, swerve
from easel.training.companions.practice import Rows, decoded, encoded, kept_rows, noise_on, practised
from easel.training.learning import checkpoint
from easel.training.learning.loop import Losses, Plan, train
from easel.training.learning.sheet import write_sheet
from easel.training.networks.export import half_copy
from easel.training.networks.towers import Towers
from easel.training.networks.unet import encode_text
from easel.training.world.moving import KINDS, Clip, Motion, draw_clip, film
from easel.training.world.scenes import generator
from easel.training.world.source import UNSEEN_SEED, Source

SEED = 101
CHUNK = 64  # clips in one kept file
PAINTED = 8  # clips painted at a time
HEADS = 8  # of every temporal attention; readers of the published names take it for granted
FILE = "starter-motion.safetensors"
# diffusers' names and the published ones; a place's own "norm" and the positions differ besides
PUBLISHED = {"norm1": "norms.0", "norm2": "norms.1", "norm3": "ff_norm", "attn1": "attention_blocks.0"}
PUBLISHED |= {"attn2": "attention_blocks.1"}
POSITIONS = "pos_embed.pe"


@dataclass(frozen=True)
class MotionConfig:
    """The module's size and how it is trained and judged."""

    frames: int = 8  # of a practised clip
    table: int = 16  # positions that the module knows
    megabytes: float = 4.0  # most that the file may take
    clips: int = 768  # that are practised
    batch: int = 4  # clips a step
    empty: float = 0.1  # share of dropped captions
    kinds: tuple[str, ...] = KINDS  # motions that are practised
    judged: int = 14  # unseen clips of a figure
    steps: int = 12  # sampling steps of a figure

    def __post_init__(self) -> None:
        if not 2 <= self.frames <= self.table:
            raise BadValue("frames", self.frames, f"2 to {self.table}, the positions that the module knows")
        for kind in self.kinds:
            if kind not in KINDS:
                raise BadValue("motion", kind, f"one of {', '.join(KINDS)}")


def numbers_of(channels: int, layers: int, table: int) -> int:
    """How many numbers the file has of one module of so many channels and transformer layers (0 or 1)."""
    return 2 * channels * channels + 4 * channels + layers * (20 * channels * channels + (17 + 2 * table) * channels)


def layers_within(unet: UNet2DConditionModel, table: int, most: int) -> tuple[int, ...]:
    """How many transformer layers, 0 or 1, each level's modules get, so that the file has at most `most` numbers.

    The middle has one always, and so has the outermost level, by whose names a motion module is known. Then come the
    levels from outside: their layers take little room, and the innermost level has the middle beside it.
    """
    channels: tuple[int, ...] = tuple(unet.config["block_out_channels"])
    modules = 2 * int(unet.config["layers_per_block"]) + 1
    layers = [1] + [0] * (len(channels) - 1)

    def numbers() -> int:
        levels = zip(channels, layers, strict=True)
        return numbers_of(channels[-1], 1, table) + sum(modules * numbers_of(c, n, table) for c, n in levels)

    for level in range(1, len(channels)):
        layers[level] = 1
        if numbers() > most:
            layers[level] = 0
            break
    return tuple(layers)


def make_adapter(unet: UNet2DConditionModel, config: MotionConfig) -> MotionAdapter:
    """A motion module for a U-Net that changes nothing yet, on its device."""
    torch.manual_seed(SEED)
    adapter = MotionAdapter(
        block_out_channels=tuple(unet.config["block_out_channels"]),
        motion_layers_per_block=int(unet.config["layers_per_block"]),
        motion_transformer_layers_per_block=layers_within(unet, config.table, int(config.megabytes * 490_000)),
        motion_num_attention_heads=HEADS,
        motion_norm_num_groups=int(unet.config["norm_num_groups"]),
        motion_max_seq_length=config.table,
    )
    for name, layer in adapter.named_modules():
        if name.endswith(".proj_out"):
            assert isinstance(layer, nn.Linear)
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
    return adapter.to(unet.device)


def worn(unet: UNet2DConditionModel, adapter: MotionAdapter) -> UNetMotionModel:
    """A copy of the U-Net, frozen, that wears the adapter's own modules: what changes these changes it."""
    moving: Any = UNetMotionModel.from_unet2d(unet, adapter)
    moving.requires_grad_(False)
    for mine, own in zip(
        (*moving.down_blocks, *moving.up_blocks), (*adapter.down_blocks, *adapter.up_blocks), strict=True
    ):
        mine.motion_modules = own.motion_modules
    moving.mid_block.motion_modules = adapter.mid_block.motion_modules
    return moving.to(unet.device)


def published(adapter: MotionAdapter) -> dict[str, torch.Tensor]:
    """The module's weights in float16 by AnimateDiff's published names."""
    found: dict[str, torch.Tensor] = {}
    for name, tensor in half_copy(adapter).items():
        outer, inner = re.fullmatch(r"(.+\.motion_modules\.\d+)\.(.+)", name).groups()  # pyright: ignore
        for own, known in PUBLISHED.items():
            inner = inner.replace(f".{own}.", f".{known}.")
        block = inner.removesuffix(POSITIONS)
        ends = [f"{block}attention_blocks.{n}.pos_encoder.pe" for n in (0, 1)] if block != inner else [inner]
        found |= {f"{outer}.temporal_transformer.{end}": tensor.clone() for end in ends}
    return found


def take_published(adapter: MotionAdapter, tensors: Mapping[str, torch.Tensor]) -> None:
    """Gives the adapter the weights of a file with published names; raises BadValue where it is of another build."""
    own = adapter.state_dict()
    weights: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        plain = name.replace(".temporal_transformer.", ".")
        for known, published_name in PUBLISHED.items():
            plain = plain.replace(f".{published_name}.", f".{known}.")
        plain = re.sub(r"attn\d\.pos_encoder\.pe$", POSITIONS, plain)
        weights[plain] = tensor
    if {name: t.shape for name, t in weights.items()} != {name: t.shape for name, t in own.items()}:
        raise BadValue("motion module", "another build", "the build that the options ask for")
    adapter.load_state_dict({name: tensor.float() for name, tensor in weights.items()})


def make_rows(
    towers: Towers,
    tokenizer: CLIPTokenizer,
    autoencoder: AutoencoderKL,
    source: Source,
    config: MotionConfig,
    folder: Path,
) -> Rows:
    """Latents (n, frames, 4, h, w) and contexts (n, 77, width) of clips, float16, kept on disk."""

    @torch.no_grad()
    def make(numbers: range) -> Rows:
        parts: list[Rows] = []
        for some in (numbers[n : n + PAINTED] for n in range(0, len(numbers), PAINTED)):
            clips = [draw_clip(source.subjects, SEED, number, config.kinds) for number in some]
            pictures = film(source, clips, config.frames).flatten(0, 1)
            rows = encoded(towers, tokenizer, autoencoder, pictures, [clip.words for clip in clips])
            parts.append({**rows, "latents": rows["latents"].unflatten(0, (len(clips), config.frames))})
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    some = "" if config.kinds == KINDS else "-" + "+".join(config.kinds)
    rows = kept_rows(folder, f"clips{some}-{config.frames}", config.clips, CHUNK, make)
    return {name: tensor.to(source.device) for name, tensor in rows.items()}


def led(moving: UNetMotionModel, context: torch.Tensor) -> Network:
    """v (clips, frames, 4, h, w) of x in that shape at times t (clips,), with a context (clips, 77, width) each."""

    def network(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        words = context.repeat_interleave(x.shape[1], 0)
        return moving(x.transpose(1, 2), t, words).sample.transpose(1, 2)

    return network


def make_losses(
    moving: UNetMotionModel, rows: Rows, empty: torch.Tensor, config: MotionConfig
) -> Callable[[int], Losses]:
    """The loss as a function of the step; all frames of a clip are at one noise level, each with noise of its own.

    empty: the context (1, 77, width) of no words.
    """
    device = empty.device
    noiser = noise_on(device)

    def losses(step: int) -> Losses:
        rng = generator(SEED, 1, step)
        chosen, context = practised(rows, rng, config.batch, config.empty, empty)
        latents = rows["latents"][chosen].float()
        noised = noiser.noised(latents.flatten(1, 2), rng)  # frames as channels, for a clip has one level
        with torch.autocast(device.type, torch.bfloat16):
            v = led(moving, context)(noised.x.reshape(latents.shape), noised.t)
        return noised.losses(v.flatten(1, 2))

    return losses


def unseen_clips(source: Source, config: MotionConfig) -> list[Clip]:
    """Clips that nothing practises, of each motion in turn: one thing before a plain ground, without a style."""
    found: list[Clip] = []
    for number in count():
        kind = config.kinds[len(found) % len(config.kinds)]
        clip = draw_clip(source.subjects, UNSEEN_SEED, number, (kind,), still=0.0)
        if len(clip.scene.things) == 1 and not clip.scene.style and not clip.scene.second:
            found.append(clip)
        if len(found) == config.judged:
            break
    return found


@torch.no_grad()
def draw_clips(
    moving: UNetMotionModel,
    autoencoder: AutoencoderKL,
    contexts: torch.Tensor,
    empty: torch.Tensor,
    config: MotionConfig,
) -> torch.Tensor:
    """Pictures (n, frames, 3, H, W) in -1..1 for contexts (n, 77, width), each frame from noise of its own."""
    side, frames = int(moving.config["sample_size"]), config.frames
    clips: list[torch.Tensor] = []
    for number, context in enumerate(contexts.split(1)):
        network = led(moving, torch.cat([empty, context]))

        def flat(x: torch.Tensor, t: torch.Tensor, network: Network = network) -> torch.Tensor:
            return network(x.unflatten(0, (2, frames)), t.unflatten(0, (2, frames))[:, 0]).flatten(0, 1)

        seeds = [UNSEEN_SEED + number * config.table + frame for frame in range(frames)]
        clips.append(decoded(autoencoder, drawn_latents(flat, seeds, side, contexts.device, config.steps)))
    return torch.stack(clips)


def judged(clips: torch.Tensor, motions: Sequence[Motion]) -> str:
    """What is seen of clips (n, frames, 3, H, W), in words: jumps, smooth paths, those that lead somewhere or obey.

    motions: what each was told, nothing where it was told none.
    """
    paths = [path_of(clip) for clip in clips]
    smooth = [swerve(path) <= SMOOTH for path in paths]
    led_on = [calm and moves(path) for calm, path in zip(smooth, paths, strict=True)]
    headings = [(path, motion.at(1.0).heading) for path, motion in zip(paths, motions, strict=True)]
    told = [follows(path, heading) for path, heading in headings if max(map(abs, heading)) > 1e-6]
    obey = f", {sum(told)} of {len(told)} as told" if told else ""
    jumps = sum(jump(clip) for clip in clips) / len(clips)
    smooth_share, led_share = (sum(some) / len(paths) for some in (smooth, led_on))
    return f"{jumps:.4f} between frames, {smooth_share:.0%} smooth, {led_share:.0%} move smoothly{obey}"


def train_moving(
    tokenizer: CLIPTokenizer,
    towers: Towers,
    autoencoder: AutoencoderKL,
    unet: UNet2DConditionModel,
    source: Source,
    config: MotionConfig,
    plan: Plan,
    folder: Path,
    start: Path | None = None,
) -> MotionAdapter:
    """Trains (or goes on training) the motion module in `folder` and writes it there as FILE.

    start: a file of such a module to begin from. Prints `judged` of unseen clips: as painted, as the frozen model draws
    their frames one by one, and as it draws them with the module.
    """
    adapter = make_adapter(unet.requires_grad_(False), config)
    moving = worn(unet, adapter)
    if unet.device.type == "cpu":
        moving.set_attn_processor(AttnProcessor())  # quicker backwards at these sizes than torch's fused attention
    rows = make_rows(towers, tokenizer, autoencoder, source, config, folder / "rows")
    clips = unseen_clips(source, config)
    motions, words = [clip.motion if clip.told else Motion() for clip in clips], [clip.words for clip in clips]
    contexts, empty = encode_text(towers, tokenizer, words), encode_text(towers, tokenizer, [""])
    print(f"painted: {judged(film(source, clips, config.frames), motions)}", flush=True)
    print(f"frame by frame: {judged(draw_clips(moving, autoencoder, contexts, empty, config), motions)}", flush=True)
    if start is not None:
        take_published(adapter, load_file(start))

    def sheet(step: int) -> None:
        drawn = draw_clips(moving, autoencoder, contexts, empty, config)
        said = judged(drawn, motions)
        print(f"step {step}: {said}", flush=True)
        captions = [word for text in words for word in (text, *[""] * (config.frames - 1))]
        write_sheet(folder / "sheet.png", drawn.flatten(0, 1), captions, config.frames)
        facts = {"format": "pt", "title": "Starter motion", "description": f"{step} steps of {config.batch}: {said}"}
        checkpoint.write(folder / FILE, published(adapter), facts)

    train(adapter, make_losses(moving, rows, empty, config), plan, folder, sheet)
    return adapter
