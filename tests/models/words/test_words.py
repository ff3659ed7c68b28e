"""How words are read: emphasis modes, CLIP skip, comma backtrack; against the text tower itself."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor

from easel.core.passes import Words
from easel.core.work import Text
from easel.models.family import Model
from tests.tiny import load_starter

PROMPT = "a (red:1.5) fox"


def encoded(model: Model, text: str, **words: Any) -> Tensor:
    """The context of one text."""
    return model.encode([Text(text, Words(**words))])[0].context


def weights(model: Model, text: str) -> Tensor:
    """The weight of each token of a text of one chunk, (77, 1)."""
    (chunk,) = cast(Any, model).text.reader.chunks(Text(text))
    return torch.tensor(chunk.weights)[:, None]


def test_original_keeps_the_mean_and_no_norm_does_not(tiny: Model) -> None:
    plain = encoded(tiny, "a red fox")
    heavy = weights(tiny, PROMPT)
    assert set(heavy.flatten().tolist()) == {1.0, 1.5}
    bare = encoded(tiny, PROMPT, emphasis="No norm")
    torch.testing.assert_close(bare, plain * heavy)
    original = encoded(tiny, PROMPT)
    torch.testing.assert_close(original, bare * (plain.mean() / bare.mean()))


def test_the_mean_is_kept_on_a_trained_text_tower() -> None:
    starter = load_starter()
    plain, original = encoded(starter, "a red fox"), encoded(starter, PROMPT)
    bare = encoded(starter, PROMPT, emphasis="No norm")
    assert float(original.mean()) == pytest.approx(float(plain.mean()), rel=1e-3)
    assert float(bare.mean()) != pytest.approx(float(plain.mean()), rel=1e-3)


def test_ignore_reads_the_marks_and_none_takes_them_for_words(tiny: Model) -> None:
    torch.testing.assert_close(encoded(tiny, PROMPT, emphasis="Ignore"), encoded(tiny, "a red fox"))
    literal = encoded(tiny, PROMPT, emphasis="None")
    assert not torch.allclose(literal, encoded(tiny, "a red fox"))
    torch.testing.assert_close(literal, encoded(tiny, r"a \(red:1.5\) fox"), rtol=1e-4, atol=1e-5)


def test_the_mean_is_each_text_s_own_whatever_its_company(tiny: Model) -> None:
    together = tiny.encode([Text(PROMPT), Text("(loud:5) noise"), Text("a fox", Words(emphasis="No norm"))])
    torch.testing.assert_close(together[0].context, encoded(tiny, PROMPT))


@pytest.mark.parametrize("skip", [1, 2, 12])
def test_clip_skip_reads_an_earlier_layer_after_the_final_norm(tiny: Model, skip: int) -> None:
    tower = cast(Any, tiny).text
    (chunk,) = tower.reader.chunks(Text("a fox"))
    with torch.inference_mode():
        found = tower.model(input_ids=torch.tensor([chunk.ids]), output_hidden_states=True)
    layer = found.hidden_states[max(len(found.hidden_states) - skip, 1)]  # no tower is read before its first layer
    with torch.inference_mode():
        expected = tower.model.final_layer_norm(layer)[0]
    torch.testing.assert_close(encoded(tiny, "a fox", clip_skip=skip), expected)


def test_rows_of_unlike_layers_share_a_forward(tiny: Model) -> None:
    both = tiny.encode([Text("a fox", Words(clip_skip=2)), Text("a fox")])
    torch.testing.assert_close(both[0].context, encoded(tiny, "a fox", clip_skip=2))
    torch.testing.assert_close(both[1].context, encoded(tiny, "a fox"))
    assert not torch.allclose(both[0].context, both[1].context)


def test_comma_backtrack_moves_the_cut(tiny: Model) -> None:
    text = "x " * 70 + ", " + "y " * 10
    near, cut = (cast(Any, tiny).text.reader.chunks(Text(text, Words(comma_backtrack=n))) for n in (20, 0))
    assert len(near) == len(cut) == 2
    assert near != cut
