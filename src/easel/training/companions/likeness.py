"""The picture prompt: four tokens made of a picture, and for each look at the words a second look, at these tokens.

IP-Adapter's plain build and names (Ye et al. 2023), so that the module's own state is the published file. The picture
is seen by the model's own CLIP tower; the U-Net stays frozen. Captions are dropped mostly, so that the picture leads.
Does not know how the model was made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor, IPAdapterAttnProcessor
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPTokenizer

from easel.training.companions.drawing import Network, drawn_pictures
from easel.training.companions.practice import Rows, decoded, encoded, kept_rows, noise_on, practised
from easel.training.learning.loop import Losses, Plan, train
from easel.training.learning.sheet import write_sheet
from easel.training.networks.towers import Towers, shrink
from easel.training.networks.unet import encode_text
from easel.training.world.scenes import generator
from easel.training.world.source import UNSEEN_SEED, Source, compose

SEED = 83
CHUNK = 128  # compositions in one kept file
TOKENS = 4  # what readers of the plain layout take for granted
FILE = "starter-picture.safetensors"
PLAIN_WORDS = "a picture"


@dataclass(frozen=True)
class LikenessConfig:
    """How the picture prompt is trained and judged."""

    pictures: int = 3072  # compositions that are practised
    batch: int = 16
    wordless: float = 0.7  # share of dropped captions
    blind: float = 0.08  # share of dropped pictures, for guidance
    judged: int = 48  # unseen pictures of a figure
    steps: int = 20  # sampling steps of a figure


class Projection(nn.Module):
    """A picture's features (B, projection) as tokens (B, TOKENS, width)."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(features, TOKENS * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The tokens."""
        return self.norm(self.proj(features).unflatten(-1, (TOKENS, -1)))


class SecondLook(nn.Module):
    """Keys and values of the tokens for one cross-attention; its queries are the U-Net's own."""

    def __init__(self, keys: nn.Linear, values: nn.Linear) -> None:
        super().__init__()
        self.to_k_ip, self.to_v_ip = (
            nn.Linear(layer.in_features, layer.out_features, bias=False) for layer in (keys, values)
        )
        self.to_k_ip.load_state_dict({"weight": keys.weight.detach().clone()})
        self.to_v_ip.load_state_dict({"weight": values.weight.detach().clone()})


class PicturePrompt(nn.Module):
    """Projection and second looks of a U-Net; a look's number is that of its processor in diffusers' order."""

    def __init__(self, unet: UNet2DConditionModel, features: int) -> None:
        super().__init__()
        self.image_proj = Projection(features, int(unet.config["cross_attention_dim"]))
        self.ip_adapter = nn.ModuleDict()
        for number, name in enumerate(unet.attn_processors):
            layer = unet.get_submodule(name.removesuffix(".processor"))
            if name.endswith("attn2.processor"):
                self.ip_adapter[str(number)] = SecondLook(layer.to_k, layer.to_v)

    def worn_by(self, unet: UNet2DConditionModel) -> None:
        """Gives the U-Net its second looks; from then on its contexts are pairs of words and a list of tokens."""
        processors: dict[str, Any] = {}
        for number, name in enumerate(unet.attn_processors):
            look = self.ip_adapter[str(number)] if name.endswith("attn2.processor") else None
            if look is None:
                processors[name] = AttnProcessor()
                continue
            processor = IPAdapterAttnProcessor(look.to_k_ip.out_features, look.to_k_ip.in_features, (TOKENS,))
            processor.to_k_ip, processor.to_v_ip = nn.ModuleList([look.to_k_ip]), nn.ModuleList([look.to_v_ip])
            processors[name] = processor
        unet.set_attn_processor(processors)

    def save(self, path: Path, facts: dict[str, str]) -> Path:
        """Writes the published layout in float16 and returns the path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.detach().half().cpu().contiguous() for name, tensor in self.state_dict().items()}
        save_file(tensors, path, metadata=facts)
        return path


@torch.no_grad()
def features_of(towers: Towers, pictures: torch.Tensor) -> torch.Tensor:
    """What CLIP makes of pictures (B, 3, H, W) in -1..1: (B, projection) float32, not of unit length."""
    return towers.vision(shrink(pictures, towers.vision.config.image_size)).image_embeds.float()


def make_rows(
    towers: Towers,
    tokenizer: CLIPTokenizer,
    autoencoder: AutoencoderKL,
    source: Source,
    count: int,
    folder: Path,
) -> Rows:
    """Latents, contexts and features (n, projection), float16, of compositions, kept on disk.

    Half the features are of what comes back from the latents: people prompt with drawn pictures too.
    """

    def make(numbers: range) -> Rows:
        examples = compose(source, SEED, numbers)
        rows = encoded(towers, tokenizer, autoencoder, examples.pictures, examples.captions)
        examples.pictures[::2] = decoded(autoencoder, rows["latents"][::2])
        return {**rows, "features": features_of(towers, examples.pictures).half()}

    rows = kept_rows(folder, "pictures", count, CHUNK, make)
    return {name: tensor.to(source.device) for name, tensor in rows.items()}


def led(unet: UNet2DConditionModel, prompt: PicturePrompt, context: torch.Tensor, features: torch.Tensor) -> Network:
    """The U-Net as led by features (B, projection), as a function of x and t: v (B, 4, h, w)."""

    def network(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        words: Any = (context, [prompt.image_proj(features)])
        return unet(x, t, words).sample

    return network


def make_losses(
    unet: UNet2DConditionModel, prompt: PicturePrompt, rows: Rows, empty: torch.Tensor, config: LikenessConfig
) -> Callable[[int], Losses]:
    """The loss as a function of the step; `empty` (1, 77, width) is the context of no words."""
    device = unet.device
    noiser = noise_on(device)

    def losses(step: int) -> Losses:
        rng = generator(SEED, 1, step)
        chosen, context = practised(rows, rng, config.batch, config.wordless, empty)
        seeing = torch.from_numpy(rng.random(config.batch) >= config.blind).to(device)
        noised = noiser.noised(rows["latents"][chosen].float(), rng)
        features = rows["features"][chosen].float() * seeing[:, None]
        with torch.autocast(device.type, torch.bfloat16):
            v = led(unet, prompt, context, features)(noised.x, noised.t)
        return noised.losses(v)

    return losses


def draw_alike(
    unet: UNet2DConditionModel,
    prompt: PicturePrompt,
    autoencoder: AutoencoderKL,
    features: torch.Tensor,
    words: torch.Tensor,
    empty: torch.Tensor,
    steps: int,
) -> torch.Tensor:
    """Pictures (n, 3, H, W) in -1..1 for features (n, projection) beside one context `words` (1, 77, width)."""

    def network(part: slice) -> Network:
        seen = features[part]
        context = torch.cat([empty.expand(len(seen), -1, -1), words.expand(len(seen), -1, -1)])
        return led(unet, prompt, context, torch.cat([torch.zeros_like(seen), seen]))

    seeds = [UNSEEN_SEED + number for number in range(len(features))]
    return drawn_pictures(autoencoder, network, seeds, int(unet.config["sample_size"]), steps)


def nearer(results: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    """For each of (n, d) results the share of the other prompts (m, d) that are further from it than its own, (n,).

    The first n prompts are the results' own, in their order.
    """
    alike = F.normalize(results, dim=-1) @ F.normalize(prompts, dim=-1).T
    own = alike.diagonal()[:, None]
    return (alike < own).float().sum(-1) / max(1, len(prompts) - 1)


def train_likeness(
    tokenizer: CLIPTokenizer,
    towers: Towers,
    autoencoder: AutoencoderKL,
    unet: UNet2DConditionModel,
    source: Source,
    config: LikenessConfig,
    plan: Plan,
    folder: Path,
) -> PicturePrompt:
    """Trains (or goes on training) the picture prompt in `folder` and writes it there as FILE.

    Prints how many of the other unseen pictures are further from a result than its own prompt, by CLIP: without words,
    with plain ones, and of what the autoencoder makes of the prompts themselves.
    """
    unet.requires_grad_(False).to(memory_format=torch.channels_last)
    rows = make_rows(towers, tokenizer, autoencoder, source, config.pictures, folder / "rows")
    torch.manual_seed(SEED)
    prompt = PicturePrompt(unet, rows["features"].shape[-1]).to(unet.device)
    prompt.worn_by(unet)
    empty, plain = encode_text(towers, tokenizer, [""]), encode_text(towers, tokenizer, [PLAIN_WORDS])
    examples = compose(source, UNSEEN_SEED, range(config.judged))
    unseen = examples.pictures
    wanted = features_of(towers, unseen)
    kept = decoded(autoencoder, encoded(towers, tokenizer, autoencoder, unseen, examples.captions)["latents"])
    print(f"the autoencoder's own are nearer than {share(features_of(towers, kept), wanted)}", flush=True)

    def sheet(step: int) -> None:
        drawn = [draw_alike(unet, prompt, autoencoder, wanted, words, empty, config.steps) for words in (empty, plain)]
        without, with_words = (share(features_of(towers, pictures), wanted) for pictures in drawn)
        print(f"step {step}: nearer than {without} without words, {with_words} with plain ones", flush=True)
        parts = [torch.cat([part[n : n + 8] for part in (unseen, *drawn)]) for n in range(0, len(unseen), 8)]
        words = [[name] * len(unseen[n : n + 8]) for n in range(0, len(unseen), 8) for name in ("prompt", "", "plain")]
        write_sheet(folder / "sheet.png", torch.cat(parts), [word for some in words for word in some])
        facts = {"title": "Starter picture prompt", "description": f"{step} steps of {config.batch}: {without}"}
        prompt.save(folder / FILE, facts)

    train(prompt, make_losses(unet, prompt, rows, empty, config), plan, folder, sheet)
    return prompt


def share(results: torch.Tensor, prompts: torch.Tensor) -> str:
    """`nearer` in words: its mean, and how many results have it at 90 % or more."""
    found = nearer(results, prompts)
    return f"{float(found.mean()):.1%} of the others (90 % or more for {float((found >= 0.9).float().mean()):.0%})"
