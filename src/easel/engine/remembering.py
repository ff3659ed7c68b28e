"""Encoded texts, kept from one request to the next: the same words by the same encoder are encoded once.

Exact to the bit: each text is encoded in a forward of its own, so that what is remembered does not depend on the
company in which it was encoded. Knows models by their verb and parts; knows no runs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any
from weakref import ref

from torch import Tensor

from easel.core.work import Text
from easel.models.words.conditioning import Conditioning

MOST = 128 * 2**20  # bytes: about 500 texts of Stable Diffusion 1, 200 of XL, 15 of Flux

Encode = Callable[[Any, Sequence[Text]], list[Conditioning]]


def plainly(model: Any, texts: Sequence[Text]) -> list[Conditioning]:
    """Return the conditionings of texts, encoded in one call and not remembered."""
    return model.encode(texts)


class Encodings:
    """The conditionings of texts, the least recently used forgotten where they would take more than `most` bytes.

    Called as `plainly` is. It keeps no model, network or embedding alive: of these a key holds weak references, which
    nothing else equals when they are gone. One instance per engine, used by its thread alone.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.taken = 0
        self._kept: OrderedDict[Hashable, Conditioning] = OrderedDict()

    def __call__(self, model: Any, texts: Sequence[Text]) -> list[Conditioning]:
        """Return one conditioning a text, those that are not remembered encoded one by one."""
        return [self._of(model, text) for text in texts]

    def __len__(self) -> int:
        return len(self._kept)

    def _of(self, model: Any, text: Text) -> Conditioning:
        key = key_of(model, text)
        found = self._kept.get(key)
        if found is None:
            (found,) = model.encode([text])
            self._keep(key, found)
        self._kept.move_to_end(key)
        return found

    def _keep(self, key: Hashable, one: Conditioning) -> None:
        self._kept[key] = one
        self.taken += size_of(one)
        while self.taken > self.most and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self.taken -= size_of(gone)


def key_of(model: Any, text: Text) -> Hashable:
    """Return what decides about a text's conditioning: who encodes it, the words, and what stands in or is worn."""
    encoders = tuple(ref(part) for name, part in model.parts.items() if name.startswith("text_encoder"))
    networks = tuple((ref(network), strength) for network, strength in text.networks)
    embeddings = tuple(ref(embedding) for embedding in model.machine.embeddings(text.text))
    return model.key("encode"), encoders, replace(text, networks=()), networks, embeddings


def size_of(one: Conditioning) -> int:
    """Return the bytes of a conditioning."""
    return sum(memory(tensor) for tensor in (one.context, *one.extra.values()))


def memory(tensor: Tensor) -> int:
    """Return the bytes that a tensor keeps in memory, which is all that it is a view of."""
    return tensor.untyped_storage().nbytes()
