"""Text to what cross-attention reads: the hidden states of CLIP's chunks, and emphasis.

Knows CLIP; knows nothing of U-Nets. Each text is encoded as if alone, so that company never changes a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from easel.core.errors import Mismatch
from easel.core.passes import Words
from easel.core.work import Text
from easel.models.accelerate import Machine
from easel.models.sources import Source
from easel.models.tokens import Reader
from easel.models.weights import build
from easel.prompt.chunks import Chunk

if TYPE_CHECKING:
    from transformers import CLIPTextModel

ROWS = 64  # chunks of one forward at most


@dataclass(frozen=True, slots=True, eq=False)
class TextEncoder:
    """CLIP's text tower and the reader that feeds it."""

    reader: Reader
    model: CLIPTextModel
    device: str

    def encode(self, texts: Sequence[Text]) -> list[Tensor]:
        """Return for each text its hidden states, (77 * chunks, width) float32, weighted as its emphasis asks."""
        prompts = [self.reader.chunks(text) for text in texts]
        skips = [text.words.clip_skip for text, chunks in zip(texts, prompts, strict=True) for _ in chunks]
        states = self.states([chunk for prompt in prompts for chunk in prompt], skips)
        per_text = states.split([len(prompt) for prompt in prompts])
        return [
            emphasised(state, weights_of(prompt), text.words).flatten(0, 1)
            for state, prompt, text in zip(per_text, prompts, texts, strict=True)
        ]

    def states(self, chunks: Sequence[Chunk], skips: Sequence[int]) -> Tensor:
        """Return each chunk's hidden states after the final norm, (chunks, 77, width) float32 on the processor.

        skips: for each chunk which layer is read, counted from the last, 1 (A1111's "Clip skip"); at most the first.
        """
        ids = torch.tensor([chunk.ids for chunk in chunks], device=self.device)
        parts = [self.layers(part, skip) for part, skip in zip(ids.split(ROWS), batched(skips), strict=True)]
        return torch.cat(parts).to("cpu", torch.float32)

    def layers(self, ids: Tensor, skips: Sequence[int]) -> Tensor:
        """Return the hidden states of one forward, each row of the layer it asks for, (chunks, 77, width)."""
        if set(skips) == {1}:
            return self.model(input_ids=ids).last_hidden_state
        found: Any = self.model(input_ids=ids, output_hidden_states=True).hidden_states
        last = len(found) - 1
        chosen = torch.stack([found[max(last + 1 - skip, 1)][row] for row, skip in enumerate(skips)])
        return self.model.final_layer_norm(chosen)


def weights_of(chunks: Sequence[Chunk]) -> Tensor:
    """Return the weight of each token, (chunks, 77)."""
    return torch.tensor([chunk.weights for chunk in chunks])


def batched(skips: Sequence[int]) -> list[Sequence[int]]:
    """Return the layers of each forward."""
    return [skips[first : first + ROWS] for first in range(0, len(skips), ROWS)]


def emphasised(states: Tensor, weights: Tensor, words: Words) -> Tensor:
    """Return states times weights by A1111's emphasis of that name, one text at a time.

    states: (chunks, 77, width); weights: (chunks, 77). "Original" scales back to the mean that the states had.
    """
    if words.emphasis == "Ignore" or bool((weights == 1).all()):
        return states
    weighted = states * weights[..., None]
    if words.emphasis == "No norm":
        return weighted
    return weighted * (states.mean() / weighted.mean())


def load_text_encoder(source: Source, machine: Machine) -> TextEncoder:
    """Return the text encoder of a model with its reader. Raises ModelError."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CLIPTextConfig, CLIPTextModel

    try:
        config = CLIPTextConfig(**source.config("text_encoder"))
    except (ValueError, TypeError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Mismatch(
            f"{source.where('text_encoder')}: its shapes or config make no text encoder ({reason})."
        ) from None
    reader = source.reader(config.max_position_embeddings - 2)
    if (known := len(reader.tokenizer)) > config.vocab_size:
        where = source.where("text_encoder")
        raise Mismatch(f"{where}: the tokenizer knows {known} tokens, the text encoder {config.vocab_size}.")
    model: Any = build(
        lambda: CLIPTextModel(config),
        source.tensors("text_encoder"),
        source.where("text_encoder"),
        dtype=machine.exact,
        device=machine.device,
        names=source.names("text_encoder"),
    )
    model.embeddings.position_ids = torch.arange(config.max_position_embeddings, device=machine.device)[None]
    return TextEncoder(reader, model, machine.device)
