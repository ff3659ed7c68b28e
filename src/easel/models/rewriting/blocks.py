"""How much of B each block of a U-Net takes in a merge, by its numbers or by a curve's name; no torch.

Blocks are counted as people do who merge by block: IN00.., M00, OUT00.. by the names of the published file, 25 in
Stable Diffusion 1 and 2, 19 in SDXL. The time embedding goes with the first, the last convolution with the last.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from easel.core.errors import BadValue, UnknownName, Unsupported

UNET = "model.diffusion_model."
BLOCK = re.compile(r"model\.diffusion_model\.(input_blocks|output_blocks)\.(\d+)\.")
FIRST, LAST = ("time_embed.", "label_emb."), "out."


def valley(t: float) -> float:
    """Return 1 at both ends and 0 in the middle."""
    return abs(2 * t - 1)


def cosine(t: float) -> float:
    """Return 1 falling to 0 as half a wave."""
    return (1 + math.cos(math.pi * t)) / 2


def smooth(t: float) -> float:
    """Return 0 rising to 1, level at both ends."""
    return t * t * (3 - 2 * t)


# By name: the ratio at t, 0 for the first block and 1 for the last. WRAP and OUT count in blocks of the 25.
PRESETS: dict[str, Callable[[float], float]] = {
    "GRAD_V": valley,
    "GRAD_A": lambda t: 1 - valley(t),
    "COSINE": cosine,
    "REVERSE_COSINE": lambda t: 1 - cosine(t),
    "SMOOTHSTEP": smooth,
    "REVERSE-SMOOTHSTEP": lambda t: 1 - smooth(t),
    "FLAT_25": lambda t: 0.25,
    "FLAT_50": lambda t: 0.5,
    "FLAT_75": lambda t: 0.75,
    "WRAP08": lambda t: float(valley(t) > 9 / 24),
    "WRAP12": lambda t: float(valley(t) > 1 / 24),
    "OUT07": lambda t: float(t > 17.5 / 24),
    "OUT12": lambda t: float(t > 12.5 / 24),
    "OUT12_5": lambda t: 0.5 if abs(t - 0.5) < 0.5 / 24 else float(t > 0.5),
}


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of one U-Net: how many numbered ones come in and go out; between them stands the middle one."""

    inputs: int
    outputs: int

    @property
    def count(self) -> int:
        """How many there are with the middle."""
        return self.inputs + 1 + self.outputs

    @property
    def names(self) -> tuple[str, ...]:
        """IN00, ..., M00, OUT00, ..."""
        entering = [f"IN{place:02}" for place in range(self.inputs)]
        return (*entering, "M00", *(f"OUT{place:02}" for place in range(self.outputs)))

    def place(self, name: str) -> int | None:
        """Return the number of the block in which a tensor stands, by its name in the file; None outside the U-Net."""
        if not name.startswith(UNET):
            return None
        if (found := BLOCK.match(name)) is not None:
            return int(found[2]) + (self.inputs + 1 if found[1] == "output_blocks" else 0)
        rest = name[len(UNET) :]
        return 0 if rest.startswith(FIRST) else self.count - 1 if rest.startswith(LAST) else self.inputs


def blocks_of(names: Iterable[str]) -> Blocks:
    """Return the blocks of the U-Net whose tensors have these names. Raises Unsupported where it has none."""
    found = {(match[1], int(match[2])) for name in names if (match := BLOCK.match(name))}
    inputs = sum(side == "input_blocks" for side, _ in found)
    if not inputs:
        raise Unsupported("ratios by block need a U-Net; this model is a transformer, whose ratio is one for all.")
    return Blocks(inputs, len(found) - inputs)


def block_ratios(said: str, blocks: Blocks) -> tuple[float | None, tuple[float, ...]]:
    """Return the ratio of what is in no block, None where `said` does not tell, and one ratio a block.

    said: a curve's name, or numbers with commas or spaces between them, the first of one more being that of what is in
    no block. Raises UnknownName, BadValue.
    """
    words = said.replace(",", " ").split()
    curves = {name.casefold().replace("_", "-"): curve for name, curve in PRESETS.items()}
    if len(words) == 1 and not is_number(words[0]):
        curve = curves.get(words[0].casefold().replace("_", "-"))
        if curve is None:
            raise UnknownName("block preset", said, PRESETS)
        return None, tuple(curve(place / (blocks.count - 1)) for place in range(blocks.count))
    allowed = f"{blocks.count} numbers ({blocks.names[0]} to {blocks.names[-1]}), or one more with the base first"
    if not all(map(is_number, words)) or len(words) not in (blocks.count, blocks.count + 1):
        raise BadValue("blocks", said, allowed, remedy=f"{len(words)} are given" if len(words) > 1 else None)
    numbers = [float(word) for word in words]
    return (numbers[0] if len(numbers) > blocks.count else None), tuple(numbers[-blocks.count :])


def is_number(word: str) -> bool:
    """Return whether a word is a finite number."""
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
