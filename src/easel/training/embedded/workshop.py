"""What the stages share: the recipe, subjects, atlas and deck, and what earlier stages have trained.

Everything that a stage leaves stands in a folder of its own; whoever needs it reads it from there. Does not know how
anything is trained.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTokenizer

from easel.training.embedded.recipe import Recipe
from easel.training.learning import checkpoint
from easel.training.networks.autoencoder import encode_mean, make_autoencoder, normalise
from easel.training.networks.export import load
from easel.training.networks.tokenizer import load_tokenizer, train_tokenizer
from easel.training.networks.towers import Towers
from easel.training.networks.unet import make_unet
from easel.training.world.captions import english, korean
from easel.training.world.deck import Deck, Order, draw_deck
from easel.training.world.painting import Atlas, make_atlas, paint
from easel.training.world.scenes import draw_scene, generator
from easel.training.world.source import UNSEEN_SEED, kit_of
from easel.training.world.subjects import Subject

STATE = "state.safetensors"  # of every stage that trains, in its folder
SEED, GRAMMAR_SEED = 101, 5
GRAMMAR_SCENES = 12_000  # from which words are learned


@dataclass(frozen=True)
class Workshop:
    """Where stages work. deck: on the device; start: an exported model from which stages may begin."""

    recipe: Recipe
    subjects: tuple[Subject, ...]
    atlas: Atlas
    deck: Deck
    unseen: Deck
    tokenizer: CLIPTokenizer
    out: Path
    start: Path | None = None

    @property
    def device(self) -> torch.device:
        """Where pictures are made and models trained."""
        return self.atlas.device

    @property
    def fast(self) -> bool:
        """Whether forwards are compiled."""
        return self.device.type == "cuda"

    def pictures(self, rows: torch.Tensor, size: tuple[int, int] | None = None, unseen: bool = False) -> torch.Tensor:
        """Pictures (B, 3, height, width) in -1..1 of scenes of the deck; square ones where no size is given."""
        deck = self.unseen if unseen else self.deck
        side = self.recipe.side
        return paint(self.atlas, deck.rows(rows.to(self.device)), size or (side, side))


def trained_tokenizer(
    subjects: tuple[Subject, ...], folder: Path, size: int, scenes: int, start: Path | None = None
) -> CLIPTokenizer:
    """The tokenizer in a folder; if it is not there, that of the model `start` or one learned from the captions."""
    if (folder / "vocab.json").is_file():
        return load_tokenizer(folder)
    if start is not None:
        shutil.copytree(start / "tokenizer", folder)
        return load_tokenizer(folder)

    def texts() -> Iterator[str]:
        for index in range(scenes):
            rng = generator(GRAMMAR_SEED, index)
            scene = draw_scene(rng, len(subjects))
            yield english(scene, subjects, rng)
            yield korean(scene, subjects, rng)
        for subject in subjects:
            yield from (name.lstrip("~") for name in (*subject.english, *subject.english_extra))
            yield from (*subject.korean, *subject.korean_extra)

    return train_tokenizer(texts(), folder, size)


def open_workshop(
    recipe: Recipe, out: Path, device: str, kit: Path | None = None, start: Path | None = None
) -> Workshop:
    """Loads subjects and sprites and draws the deck."""
    found = kit_of(kit, recipe.practised)
    scenes = min(GRAMMAR_SCENES, 8 * recipe.scenes)
    tokenizer = trained_tokenizer(found.subjects, out / "tokenizer", recipe.vocabulary, scenes, start)
    processes = max(1, (os.cpu_count() or 1) - 1)
    order = Order(SEED, recipe.captions, found.subjects, out / "tokenizer")
    deck = draw_deck(order, recipe.scenes, processes).to(device)
    unseen = draw_deck(Order(UNSEEN_SEED, 1, found.subjects, out / "tokenizer"), min(recipe.scenes, 2048)).to(device)
    return Workshop(recipe, found.subjects, make_atlas(found.atlas, device), deck, unseen, tokenizer, out, start)


def averaged(module: nn.Module, folder: Path, within: str = "") -> nn.Module:
    """Puts the averaged weights of a training folder into a module. Raises FileNotFoundError naming the stage.

    within: what stands before the module's own names, where more was trained with it.
    """
    state = folder / STATE
    if not state.is_file():
        raise FileNotFoundError(f"{state} is not there: run --stage {folder.name} first")
    weights, own = checkpoint.load(state)[0]["average"], module.state_dict()
    module.load_state_dict({name: weights[within + name] for name in own})
    return module.eval()


def is_trained(shop: Workshop, *stages: str) -> bool:
    """Whether one of some stages was run here."""
    return any((shop.out / stage / STATE).is_file() for stage in stages)


def trained_towers(shop: Workshop) -> Towers:
    """The CLIP pair as trained so far, its picture tower as it went on alone; else that of the model `start`."""
    if shop.start is not None and not is_trained(shop, "clip", "vision"):
        return load(shop.start)[1].to(shop.device)
    towers = Towers(shop.recipe.clip, len(shop.tokenizer)).to(shop.device)
    averaged(towers, shop.out / ("vision" if is_trained(shop, "vision") else "clip"))
    return towers


def trained_autoencoder(shop: Workshop) -> AutoencoderKL:
    """The autoencoder as trained so far, each latent channel with mean 0 and variance 1; else that of `start`."""
    if shop.start is not None and not is_trained(shop, "autoencoder", "decoder"):
        return load(shop.start)[2].to(shop.device)
    autoencoder = make_autoencoder(shop.recipe.autoencoder, shop.recipe.side).to(shop.device)
    if is_trained(shop, "decoder"):
        averaged(autoencoder, shop.out / "decoder")  # refined from the finished one, so finished too
        return autoencoder
    averaged(autoencoder, shop.out / "autoencoder", "autoencoder.")
    return finished(shop, autoencoder)


@torch.no_grad()
def finished(shop: Workshop, autoencoder: AutoencoderKL, count: int = 256) -> AutoencoderKL:
    """Gives each latent channel mean 0 and variance 1 on unseen pictures."""
    parts = [encode_mean(autoencoder, shop.pictures(rows, unseen=True)) for rows in numbers(shop.unseen, count, 16)]
    latents = torch.cat(parts)
    normalise(autoencoder, latents.mean((0, 2, 3)), latents.std((0, 2, 3)))
    return autoencoder


def trained_unet(shop: Workshop) -> UNet2DConditionModel:
    """The U-Net as trained so far; else that of `start`."""
    if shop.start is not None and not is_trained(shop, "base"):
        return load(shop.start)[3].to(shop.device)
    unet = make_unet(shop.recipe.base, shop.recipe.clip.text_width, shop.recipe.side // 8).to(shop.device)
    averaged(unet, shop.out / "base")
    return unet


def numbers(deck: Deck, count: int, batch: int) -> list[torch.Tensor]:
    """The first `count` rows of a deck in batches."""
    return list(torch.arange(min(count, len(deck))).split(batch))
