"""The LoRA of four steps that goes with the starter: found by name, small, and near what twenty guided steps draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors import safe_open

import easel
from easel.core.settings import read_settings
from easel.models.library.cards import card_of
from easel.models.library.names import STARTER, Library
from easel.training.companions.opening import PRACTISED
from easel.training.embedded.judges import Glyphs, Names
from easel.training.embedded.looking import hits, share
from easel.training.embedded.trials import Trial, make_trials
from easel.training.networks.export import load as load_trained
from easel.training.world.source import Source, open_source
from easel.training.world.subjects import DataMissing
from tests.tiny import starter_side

NAME = "starter-4steps"
FILE = STARTER.parent / "companions" / "loras" / f"{NAME}.safetensors"
TAG = f" <lora:{NAME}:1>"
FEW: Mapping[str, Any] = {"steps": 4, "sampler": "Euler", "cfg_scale": 1.0}
WAYS: Mapping[str, Mapping[str, Any]] = {"taught": {"steps": 20}, "guided": {"steps": 4}, "bare": FEW, "few": FEW}
COUNT = 16  # prompts


@pytest.fixture(scope="module")
def studio() -> Iterator[easel.Studio]:
    with easel.load("starter") as opened:
        yield opened


@pytest.fixture(scope="module")
def source() -> Source:
    """What the starter knows how to draw."""
    try:
        return open_source(None, PRACTISED, starter_side(), "cpu")
    except DataMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def trials(source: Source) -> Sequence[Trial]:
    """Prompts of the model card's examination, those with one subject."""
    return [trial for trial in make_trials(source.subjects, 3 * COUNT) if trial.kind == "one"][:COUNT]


@pytest.fixture(scope="module")
def drawn(studio: easel.Studio, trials: Sequence[Trial]) -> Mapping[str, torch.Tensor]:
    """Pictures (n, 3, height, width) in 0..1 by the way they were drawn."""

    def draw(way: str) -> torch.Tensor:
        words = [trial.prompt + (TAG if way == "few" else "") for trial in trials]
        arrays = [numpy.asarray(one.image, numpy.float32) for one in studio.text_to_image(words, seed=9, **WAYS[way])]
        return torch.from_numpy(numpy.stack(arrays)).permute(0, 3, 1, 2) / 255

    return {way: draw(way) for way in WAYS}


def test_it_is_found_without_a_file_of_ones_own_and_says_how_it_is_used(tmp_path: Path) -> None:
    library = Library(read_settings(models=tmp_path / "none"))
    assert library.find_file("lora", NAME) == FILE
    assert FILE.stat().st_size <= 3_000_000
    assert card_of(FILE)["Use"] == "sampler Euler, schedule SGM Uniform, 4 steps, guidance scale 1"
    with safe_open(FILE, "pt") as opened:
        assert {key[:10] for key in opened.keys()} == {"lora_unet_"}  # noqa: SIM118  (safe_open is no mapping)


def test_a_user_writes_one_tag_and_its_settings(studio: easel.Studio) -> None:
    (picture,) = studio.text_to_image("a fox" + TAG, seed=1, width=64, height=64, **FEW)
    assert picture.infotext.startswith("a fox" + TAG)
    assert "Steps: 4, Sampler: Euler, Schedule type: SGM Uniform, CFG scale: 1" in picture.infotext


def test_four_of_its_steps_come_as_near_to_twenty_as_four_guided_ones_of_twice_the_work(
    drawn: Mapping[str, torch.Tensor],
) -> None:
    psnr = {
        way: float((-10 * (drawn[way] - drawn["taught"]).square().mean((1, 2, 3)).log10()).median())
        for way in ("guided", "bare", "few")
    }
    assert psnr["few"] > psnr["guided"] - 1, psnr
    assert psnr["few"] > psnr["bare"] + 2.5, psnr


def test_it_shows_what_the_words_say_as_the_teacher_does(
    drawn: Mapping[str, torch.Tensor], trials: Sequence[Trial], source: Source
) -> None:
    tokenizer, towers, *_ = load_trained(STARTER)
    wanted = torch.tensor([trial.scene.things[0].subject for trial in trials])

    def right(judge: Glyphs | Names, top: int) -> tuple[float, float]:
        few, taught = (share(hits(judge.ranked(drawn[way] * 2 - 1), wanted, top)) for way in ("few", "taught"))
        return few, taught

    one = 1 / COUNT
    few, taught = right(Glyphs(source.atlas), 1)
    assert few >= max(0.8, taught - one - 1e-3), (few, taught)
    few, taught = right(Names(towers, tokenizer, source.subjects), 5)
    assert few >= taught - 2 * one - 1e-3, (few, taught)
