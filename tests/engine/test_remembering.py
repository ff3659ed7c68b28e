"""Texts that were encoded before: the same bits as encoded anew, in no forward, and never kept alive by being known."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
import torch

from easel.adapters.embedding import Embedding
from easel.adapters.networks.reading import Network
from easel.core.passes import Words
from easel.core.settings import read_settings
from easel.core.work import Encode, Text
from easel.engine.loaded import LoadedNetwork
from easel.engine.remembering import Encodings, key_of, size_of
from easel.engine.runner import no_shelf, performer
from easel.models.family import Model, load
from easel.models.layouts.identify import identify

TEXTS = [Text("a fox"), Text("two (whales:1.3)"), Text("long " * 100), Text("")]


@contextmanager
def forwards(model: Model) -> Iterator[Callable[[], int]]:
    """Count the forwards of the text encoder."""
    seen: list[int] = []
    handle = model.parts["text_encoder"].register_forward_hook(lambda *_: seen.append(1))
    yield lambda: len(seen)
    handle.remove()


@torch.inference_mode()
def test_what_is_remembered_is_what_would_be_encoded(tiny: Model) -> None:
    kept = Encodings()
    together = kept(tiny, TEXTS)
    again = kept(tiny, TEXTS[::-1])[::-1]
    for text, one, other in zip(TEXTS, together, again, strict=True):
        assert one is other
        assert torch.equal(one.context, tiny.encode([text])[0].context)


@torch.inference_mode()
def test_company_does_not_change_what_is_remembered(tiny: Model) -> None:
    (alone,) = Encodings()(tiny, TEXTS[:1])
    first, *_ = Encodings()(tiny, TEXTS)
    assert torch.equal(alone.context, first.context)


def test_requests_share_what_was_encoded(tiny: Model) -> None:
    perform = performer(no_shelf)
    with forwards(tiny) as count:
        perform([Encode(tiny, (Text("a fox"), Text("blurry", away=True)))])
        assert count() == 2
        perform([Encode(tiny, (Text("a fox"),)), Encode(tiny, (Text("a hen"), Text("blurry", away=True)), alone=True)])
        assert count() == 3
        performer(no_shelf)([Encode(tiny, (Text("a fox"),))])
        assert count() == 4, "another engine remembers for itself"


@pytest.mark.parametrize(
    "other",
    [Text("a fox", Words(clip_skip=2)), Text("a fox", away=True), Text("a  fox")],
    ids=["words", "away", "text"],
)
@torch.inference_mode()
def test_whatever_decides_is_told_apart(tiny: Model, other: Text) -> None:
    kept = Encodings()
    kept(tiny, [Text("a fox"), other])
    assert len(kept) == 2


def test_networks_are_told_apart_and_not_kept_alive(tiny: Model) -> None:
    one, other = (LoadedNetwork("a", Network(Path("a.safetensors"), (), {}, {})) for _ in range(2))
    keys = [key_of(tiny, Text("a fox", networks=((network, 1.0),))) for network in (one, one, other)]
    keys.append(key_of(tiny, Text("a fox", networks=((one, 0.5),))))
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    gone = ref(other)
    del other
    gc.collect()
    assert gone() is None


@torch.inference_mode()
def test_an_embedding_read_anew_is_another(tiny: Model) -> None:
    """A file that changed gives another Embedding under the same name, and other bits."""

    def with_vectors(value: float) -> Any:
        embedding = Embedding("fox", Path("fox.pt"), {32: torch.full((1, 32), value)})
        machine = replace(tiny.machine, embeddings=lambda text: (embedding,) if "fox" in text else ())
        model: Any = tiny
        return replace(model, machine=machine, text=replace(model.text, machine=machine))

    kept = Encodings()
    before, after = with_vectors(0.1), with_vectors(-0.1)
    (first,), (second,) = kept(before, [Text("a fox")]), kept(after, [Text("a fox")])
    assert not torch.equal(first.context, second.context)
    assert torch.equal(second.context, after.encode([Text("a fox")])[0].context)


@torch.inference_mode()
def test_a_model_is_not_kept_alive(tiny_folder: Path) -> None:
    kept = Encodings()
    model = load(identify(tiny_folder), read_settings(precision="float32"))
    kept(model, TEXTS)
    gone = ref(model.parts["text_encoder"])
    del model
    gc.collect()
    assert gone() is None


@torch.inference_mode()
def test_bytes_are_bounded_and_the_oldest_go(tiny: Model) -> None:
    each = size_of(tiny.encode([Text("a fox")])[0])
    kept = Encodings(most=3 * each)
    for number in range(5):
        kept(tiny, [Text(f"{number}"), Text("always")])
        assert kept.taken <= 3 * each
    assert len(kept) == 3
    with forwards(tiny) as count:
        kept(tiny, [Text("always"), Text("4"), Text("3")])
        assert count() == 0
        kept(tiny, [Text("2")])
        assert count() == 1


@torch.inference_mode()
def test_one_text_larger_than_the_bound_still_comes_out(tiny: Model) -> None:
    kept = Encodings(most=1)
    found = kept(tiny, TEXTS)
    assert all(torch.equal(a.context, tiny.encode([text])[0].context) for a, text in zip(found, TEXTS, strict=True))
    assert len(kept) == 1
