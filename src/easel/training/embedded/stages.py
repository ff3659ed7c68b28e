"""The stages by name, in their order: what each makes of the workshop. `model`: folder of the exported model.

Knows nothing of how each is done.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from easel.training.embedded.autoencoder import train_autoencoder
from easel.training.embedded.base import train_base
from easel.training.embedded.clip import train_clip
from easel.training.embedded.decoder import train_decoder
from easel.training.embedded.examining import examine
from easel.training.embedded.half import train_half
from easel.training.embedded.vision import train_vision
from easel.training.embedded.workshop import Workshop, trained_autoencoder, trained_towers, trained_unet
from easel.training.learning.sheet import write_sheet
from easel.training.networks.export import export
from easel.training.world.source import UNSEEN_SEED, said


def look(shop: Workshop, model: Path) -> None:
    """Writes a sheet of unseen compositions, to be looked at before anything is trained."""
    count = min(64, len(shop.unseen))
    words = [said(shop.subjects, UNSEEN_SEED, index)[1] for index in range(count)]
    print(write_sheet(shop.out / "data.png", shop.pictures(torch.arange(count), unseen=True).cpu(), words))


def learn_words(shop: Workshop, model: Path) -> None:
    """Trains the CLIP pair."""
    train_clip(shop)


def learn_to_see(shop: Workshop, model: Path) -> None:
    """Trains the picture tower on."""
    train_vision(shop)


def learn_pictures(shop: Workshop, model: Path) -> None:
    """Trains the autoencoder."""
    train_autoencoder(shop)


def learn_small(shop: Workshop, model: Path) -> None:
    """Trains the U-Net's inner levels."""
    train_half(shop)


def learn_drawing(shop: Workshop, model: Path) -> None:
    """Trains the U-Net."""
    train_base(shop)


def refine(shop: Workshop, model: Path) -> None:
    """Trains the decoder on."""
    train_decoder(shop)


def write(shop: Workshop, model: Path) -> None:
    """Writes the model's folder from what is trained so far."""
    parts = shop.tokenizer, trained_towers(shop), trained_autoencoder(shop), trained_unet(shop)
    print(export(model, *parts, eight_bits=shop.recipe.eight_bits))


def judge(shop: Workshop, model: Path) -> None:
    """Measures the exported model."""
    examine(shop, model, shop.out)


RUNS: dict[str, Callable[[Workshop, Path], None]] = {
    "atlas": look,
    "clip": learn_words,
    "vision": learn_to_see,
    "autoencoder": learn_pictures,
    "half": learn_small,
    "base": learn_drawing,
    "decoder": refine,
    "export": write,
    "examine": judge,
}
