"""Makes the starter: `python -m easel.training.starter --stage all --budget-minutes 140`.

Chains the stages; each goes on from where it was killed.  Decides nothing about models: sizes are in recipe.py.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTokenizer

from easel.training import checkpoint
from easel.training.autoencoder import UNSEEN_SEED, finish, make_autoencoder, train_autoencoder
from easel.training.base import cache_latents, cache_text, load_cache, make_unet, train_base
from easel.training.clip import Towers, train_clip
from easel.training.data import compose, make_levels
from easel.training.decoder import train_decoder
from easel.training.evaluate import evaluate
from easel.training.export import export, load
from easel.training.recipe import Recipe, dry_run, with_budget
from easel.training.sheet import write_sheet
from easel.training.subjects import Subject, load_subjects, make_atlas
from easel.training.tokenizer import grammar_text, load_tokenizer, train_tokenizer
from easel.training.vision import train_vision


class Stage(enum.StrEnum):
    """What to do; `all` is everything in this order."""

    ATLAS = "atlas"
    AUTOENCODER = "autoencoder"
    CLIP = "clip"
    CACHE = "cache"
    BASE = "base"
    DECODER = "decoder"
    VISION = "vision"
    EXPORT = "export"
    EVALUATE = "evaluate"
    ALL = "all"


@dataclass(frozen=True)
class Workshop:
    """What every stage needs: the recipe, the subjects, their sprites, and where things are kept."""

    recipe: Recipe
    subjects: tuple[Subject, ...]
    levels: list[torch.Tensor]
    out: Path
    model: Path
    start: Path | None = None  # an exported model whose U-Net a new base stage begins from

    @property
    def device(self) -> torch.device:
        """Where the pictures are made and the models trained."""
        return self.levels[0].device


def open_workshop(recipe: Recipe, out: Path, model: Path, device: str, start: Path | None = None) -> Workshop:
    """Loads subjects and sprites."""
    subjects = load_subjects()[: recipe.subjects]
    return Workshop(recipe, subjects, make_levels(make_atlas(subjects).to(device)), out, model, start)


def practised(shop: Workshop) -> Workshop:
    """The workshop with only the subjects that the base model learns to draw."""
    rows = [row for row, subject in enumerate(shop.subjects) if subject.drawn]
    subjects = tuple(shop.subjects[row] for row in rows)
    return replace(shop, subjects=subjects, levels=[level[rows] for level in shop.levels])


def averaged(module: torch.nn.Module, folder: Path) -> None:
    """Puts the averaged weights of a training folder into a module; raises FileNotFoundError naming the stage."""
    state = folder / "state.safetensors"
    if not state.is_file():
        raise FileNotFoundError(f"{state} is not there: run --stage {folder.name} first")
    module.load_state_dict(checkpoint.load(state)[0]["average"])
    module.eval()


def trained_tokenizer(shop: Workshop) -> CLIPTokenizer:
    """The tokenizer, learned now if it is not there."""
    folder = shop.out / "tokenizer"
    if (folder / "vocab.json").is_file():
        return load_tokenizer(folder)
    texts = grammar_text(shop.subjects, shop.recipe.grammar_scenes)
    return train_tokenizer(texts, folder, shop.recipe.vocabulary)


def trained_autoencoder(shop: Workshop) -> AutoencoderKL:
    """The autoencoder as trained so far."""
    autoencoder = make_autoencoder(shop.recipe.autoencoder).to(shop.device)
    if (shop.out / "decoder" / "state.safetensors").is_file():
        averaged(autoencoder, shop.out / "decoder")  # refined from the finished one, so finished too
        return autoencoder
    averaged(autoencoder, shop.out / "autoencoder")
    return finish(autoencoder, shop.levels, shop.subjects)


def trained_towers(shop: Workshop, tokenizer: CLIPTokenizer) -> Towers:
    """The CLIP pair as trained so far."""
    towers = Towers(shop.recipe.clip, len(tokenizer)).to(shop.device)
    refined = shop.out / "vision"
    averaged(towers, refined if (refined / "state.safetensors").is_file() else shop.out / "clip")
    return towers


def run_atlas(shop: Workshop) -> None:
    """Writes a sheet of compositions, to be looked at before anything is trained."""
    examples = compose(shop.levels, shop.subjects, UNSEEN_SEED, range(64))
    print(write_sheet(shop.out / "data.png", examples.pictures, examples.captions))


def run_autoencoder(shop: Workshop) -> None:
    """Trains the autoencoder."""
    recipe = shop.recipe
    train_autoencoder(shop.levels, shop.subjects, recipe.autoencoder, recipe.autoencoder_plan, shop.out / "autoencoder")


def run_clip(shop: Workshop) -> None:
    """Trains the CLIP pair."""
    tokenizer = trained_tokenizer(shop)
    train_clip(shop.levels, shop.subjects, tokenizer, shop.recipe.clip, shop.recipe.clip_plan, shop.out / "clip")


def run_cache(shop: Workshop, backwards: bool = False) -> None:
    """Encodes the compositions the base model learns from; a second process may work from the other end."""
    tokenizer = trained_tokenizer(shop)
    towers = trained_towers(shop, tokenizer)
    folder = shop.out / "base" / "cache"
    shop = practised(shop)
    cache_text(towers, tokenizer, shop.subjects, shop.recipe.base, folder, backwards)
    cache_latents(trained_autoencoder(shop), shop.levels, shop.subjects, shop.recipe.base, folder, backwards)


def run_base(shop: Workshop) -> None:
    """Trains the base model, exporting with every sample sheet so that there is always a model to use."""
    tokenizer = trained_tokenizer(shop)
    autoencoder, towers = trained_autoencoder(shop), trained_towers(shop, tokenizer)

    def provisional(unet: UNet2DConditionModel) -> None:
        export(shop.model, tokenizer, towers, autoencoder, unet)

    recipe, some = shop.recipe, practised(shop)
    train_base(
        autoencoder, towers, tokenizer, some.levels, some.subjects, recipe.base, recipe.base_plan,
        shop.out / "base", provisional, shop.start / "unet" if shop.start else None,
    )  # fmt: skip


def run_decoder(shop: Workshop) -> None:
    """Refines the decoder; may run beside the base stage."""
    latents, _ = load_cache(shop.recipe.base, shop.out / "base" / "cache")
    recipe, some = shop.recipe, practised(shop)
    train_decoder(
        trained_autoencoder(shop), latents, some.levels, some.subjects, recipe.decoder, recipe.decoder_plan,
        shop.out / "decoder",
    )  # fmt: skip


def run_vision(shop: Workshop) -> None:
    """Goes on with the picture tower; may run beside the base stage."""
    tokenizer, recipe = trained_tokenizer(shop), shop.recipe
    towers, folder = trained_towers(shop, tokenizer), shop.out / "vision"
    train_vision(shop.levels, shop.subjects, tokenizer, towers, recipe.clip, recipe.vision_plan, folder)


def run_export(shop: Workshop) -> None:
    """Writes the model folder from what is trained so far."""
    tokenizer = trained_tokenizer(shop)
    autoencoder, towers = trained_autoencoder(shop), trained_towers(shop, tokenizer)
    width = int(towers.text.config.hidden_size)
    unet = make_unet(shop.recipe.base, width)
    averaged(unet, shop.out / "base")
    print(export(shop.model, tokenizer, towers, autoencoder, unet))


def run_evaluate(shop: Workshop) -> None:
    """Measures the exported folder and writes evaluation.json and a sheet beside the checkpoints."""
    recipe = shop.recipe
    parts = load(shop.model)
    evaluate(*parts, shop.levels, shop.subjects, recipe.evaluation_prompts, shop.out, recipe.evaluation_steps)


RUNS = {
    Stage.ATLAS: run_atlas,
    Stage.AUTOENCODER: run_autoencoder,
    Stage.CLIP: run_clip,
    Stage.CACHE: run_cache,
    Stage.BASE: run_base,
    Stage.DECODER: run_decoder,
    Stage.VISION: run_vision,
    Stage.EXPORT: run_export,
    Stage.EVALUATE: run_evaluate,
}


def main(
    stage: Annotated[Stage, typer.Option(help="The stage to run; it goes on from its last checkpoint.")] = Stage.ALL,
    budget_minutes: Annotated[
        float | None, typer.Option(min=0.1, help="Training minutes, of one stage or all.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...")] = "cpu",
    out: Annotated[Path, typer.Option(help="Folder of checkpoints, sheets and curves.")] = Path("work/starter"),
    model: Annotated[Path | None, typer.Option(help="Folder of the exported model; OUT/model when not said.")] = None,
    start: Annotated[Path | None, typer.Option(help="Exported model whose U-Net a new base stage begins from.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves torch's choice.")] = 0,
    backwards: Annotated[bool, typer.Option(help="With --stage cache: start from the far end.")] = False,
    tiny: Annotated[bool, typer.Option(help="Every stage at toy size in seconds, to try the programs.")] = False,
) -> None:
    """Trains the starter model from fonts and names on this machine."""
    if threads:
        torch.set_num_threads(threads)
    recipe = dry_run() if tiny else Recipe()
    if budget_minutes is not None:
        recipe = with_budget(recipe, stage.value, budget_minutes)
    shop = open_workshop(recipe, out, model or out / "model", device, start)
    if stage is Stage.CACHE:
        run_cache(shop, backwards)
        return
    for name, run in RUNS.items():
        if stage in (name, Stage.ALL):
            print(f"stage {name.value}", flush=True)
            run(shop)


if __name__ == "__main__":
    typer.run(main)
