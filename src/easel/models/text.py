"""Text to what cross-attention reads: CLIP's tokens in chunks of 75, its hidden states, and emphasis.

Knows CLIP; knows nothing of U-Nets. Each text is encoded as if alone, so that company never changes a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from easel.core.errors import Incomplete, Mismatch
from easel.models.accelerate import Machine
from easel.models.identify import read_json
from easel.models.weights import build
from easel.prompt.attention import parse_attention
from easel.prompt.chunks import Chunk, Marks, chunked

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTokenizer

ROWS = 64  # chunks of one forward at most


@dataclass(frozen=True, slots=True, eq=False)
class TextEncoder:
    """CLIP's tokenizer and text tower."""

    tokenizer: CLIPTokenizer
    model: CLIPTextModel
    marks: Marks
    device: str

    def encode(self, texts: Sequence[str]) -> list[Tensor]:
        """Return for each text its hidden states, (77 * chunks, width) float32, weighted as its emphasis asks."""
        prompts = [chunked(parse_attention(text), self.tokens, self.marks) for text in texts]
        states = self.states([chunk for prompt in prompts for chunk in prompt])
        per_text = states.split([len(prompt) for prompt in prompts])
        return [
            emphasised(state, weights_of(prompt)).flatten(0, 1) for state, prompt in zip(per_text, prompts, strict=True)
        ]

    def tokens(self, text: str) -> list[int]:
        """Return the token ids of `text` without marks, however long."""
        return self.tokenizer.encode(text, add_special_tokens=False, verbose=False)

    def states(self, chunks: Sequence[Chunk]) -> Tensor:
        """Return the last hidden states after the final norm, (chunks, 77, width) float32 on the processor."""
        ids = torch.tensor([chunk.ids for chunk in chunks], device=self.device)
        parts = [self.model(input_ids=part).last_hidden_state for part in ids.split(ROWS)]
        return torch.cat(parts).to("cpu", torch.float32)


def weights_of(chunks: Sequence[Chunk]) -> Tensor:
    """Return the weight of each token, (chunks, 77)."""
    return torch.tensor([chunk.weights for chunk in chunks])


def emphasised(states: Tensor, weights: Tensor) -> Tensor:
    """Return states times weights, scaled back to the mean they had: A1111's emphasis "Original", one text at a time.

    states: (chunks, 77, width); weights: (chunks, 77).
    """
    if bool((weights == 1).all()):
        return states
    weighted = states * weights[..., None]
    return weighted * (states.mean() / weighted.mean())


def load_text_encoder(folder: Path, machine: Machine) -> TextEncoder:
    """Return the text encoder of a diffusers folder: its text_encoder/ and tokenizer/. Raises ModelError."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    for file in ("vocab.json", "merges.txt"):
        if not (folder / "tokenizer" / file).is_file():
            raise Incomplete(f"{folder / 'tokenizer' / file}: missing; fetch the whole folder again.")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    config = CLIPTextConfig(**read_json(folder / "text_encoder" / "config.json"))
    if len(tokenizer) > config.vocab_size:
        raise Mismatch(f"{folder}: the tokenizer knows {len(tokenizer)} tokens, the text encoder {config.vocab_size}.")
    model: Any = build(
        lambda: CLIPTextModel(config), folder / "text_encoder", dtype=machine.exact, device=machine.device, rename=plain
    )
    model.embeddings.position_ids = torch.arange(config.max_position_embeddings, device=machine.device)[None]
    marks = Marks(
        begin=tokenizer.bos_token_id,
        end=tokenizer.eos_token_id,
        pad=tokenizer.pad_token_id,
        comma=tokenizer.get_vocab().get(",</w>"),
        room=config.max_position_embeddings - 2,
    )
    return TextEncoder(tokenizer, model, marks, machine.device)


def plain(key: str) -> str | None:
    """Return a published key without the wrapper's name; None for what the module computes itself."""
    key = key.removeprefix("text_model.")
    return None if key in ("embeddings.position_ids", "text_projection.weight") else key
