"""Words round trip through the tokenizer, and the towers see them to their end and no further."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import CLIPTokenizer

from easel.training.embedded.recipe import toy
from easel.training.networks.tokenizer import END, START, tokenize
from easel.training.networks.towers import Towers, picture_features, shrink, text_features


@pytest.mark.parametrize("text", ["a blue fox, green background", "파란 배경의 여우", "strange wörds 漢字 !?"])
def test_words_round_trip(tokenizer: CLIPTokenizer, text: str) -> None:
    numbers = tokenizer(text)["input_ids"]
    # CLIP decodes with a space after each word and sign
    spelled: Any = tokenizer.decode(numbers, skip_special_tokens=True)
    assert spelled.replace(" ", "") == text.replace(" ", "")
    assert tokenizer.convert_ids_to_tokens([numbers[0], numbers[-1]]) == [START, END]


def test_the_tokenizer_pads_to_77_with_the_end_token(tokenizer: CLIPTokenizer) -> None:
    (numbers,) = tokenize(tokenizer, ["여우"], whole=True)
    assert len(numbers) == 77 and int(numbers[-1]) == len(tokenizer) - 1 == tokenizer.eos_token_id


@torch.no_grad()
def test_what_follows_the_end_does_not_change_the_feature(tokenizer: CLIPTokenizer) -> None:
    towers = Towers(toy().clip, len(tokenizer)).eval()
    short, long = (towers.text(tokenize(tokenizer, ["a fox"], whole)).text_embeds for whole in (False, True))
    assert torch.allclose(short, long, atol=1e-5)


def test_features_are_unit_vectors_of_one_space(tokenizer: CLIPTokenizer) -> None:
    torch.manual_seed(0)
    towers = Towers(toy().clip, len(tokenizer)).eval()
    seen, said = picture_features(towers, torch.rand(2, 3, 64, 64)), text_features(towers, tokenizer, ["a fox", "여우"])
    assert seen.shape == said.shape == (2, 32)
    assert torch.allclose(torch.cat([seen, said]).norm(dim=-1), torch.ones(4), atol=1e-5)


def test_shrinking_keeps_the_mean() -> None:
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(shrink(picture, 32).mean((-1, -2)), picture.mean((-1, -2)), atol=1e-5)
