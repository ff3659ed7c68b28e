"""Weights by block, as the LoRA Block Weight extension's users write them: lbw=1,0.5,... or a preset's name.

Blocks have the names of Stability's U-Nets, IN00 to OUT11; BASE is whatever stands in no block, text encoders too.
Knows names; knows no tensors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from easel.core.errors import BadValue, UnknownName, Unsupported

BASE, MIDDLE = "BASE", "M00"


def numbered(kind: str, *numbers: int) -> tuple[str, ...]:
    """Return the names of blocks."""
    return tuple(f"{kind}{number:02}" for number in numbers)


# Which blocks a list of so many numbers is for: the short ones name those with attention alone.
LISTS: Mapping[int, tuple[str, ...]] = {
    17: (BASE, *numbered("IN", 1, 2, 4, 5, 7, 8), MIDDLE, *numbered("OUT", *range(3, 12))),
    26: (BASE, *numbered("IN", *range(12)), MIDDLE, *numbered("OUT", *range(12))),
    12: (BASE, *numbered("IN", 4, 5, 7, 8), MIDDLE, *numbered("OUT", *range(6))),
    20: (BASE, *numbered("IN", *range(9)), MIDDLE, *numbered("OUT", *range(9))),
}
BY_DEPTH = {12: (17, 26), 9: (12, 20)}  # how many numbers a U-Net of so many input blocks takes

# A preset has BASE and these: input blocks from and to, the middle, output blocks from and to, in twelfths.
PRESETS: Mapping[str, tuple[tuple[int, int], bool, tuple[int, int]]] = {
    "INS": ((0, 5), False, (0, 0)),
    "IND": ((5, 12), False, (0, 0)),
    "INALL": ((0, 12), False, (0, 0)),
    "MIDD": ((5, 12), True, (0, 7)),
    "OUTD": ((0, 0), False, (0, 7)),
    "OUTS": ((0, 0), False, (7, 12)),
    "OUTALL": ((0, 0), False, (0, 12)),
    "ALL": ((0, 12), True, (0, 12)),
}
NONE = "NONE"

BLOCK = re.compile(r"(input|middle|output)_blocks?_([0-9]+)_")
SIDES = {"input": "IN", "output": "OUT"}


def block_weights(spec: str, depth: int) -> Mapping[str, float]:
    """Return the weight of each block by its name; blocks that a short list does not name have 0.

    spec: the numbers between commas, or a preset's name. depth: the U-Net's input blocks, 12 of Stable Diffusion 1 and
    2, 9 of SDXL. Raises BadValue, UnknownName; Unsupported for a model of other depth.
    """
    if depth not in BY_DEPTH:
        raise Unsupported("lbw weighs the blocks of Stable Diffusion 1, 2 and XL, not this model's; leave it out.")
    words = [word.strip() for word in spec.split(",")]
    if len(words) == 1 and not is_number(words[0]):
        return preset(words[0], depth)
    counts = BY_DEPTH[depth]
    if len(words) not in counts or not all(map(is_number, words)):
        allowed = f"{counts[0]} or {counts[1]} numbers between commas, or one of {NONE}, {', '.join(PRESETS)}"
        raise BadValue("lbw", spec, allowed)
    return dict(zip(LISTS[len(words)], map(float, words), strict=True))


def preset(name: str, depth: int) -> Mapping[str, float]:
    """Return the weights of a preset. The extension's are for twelve blocks; others have them in proportion."""
    if name.upper() == NONE:
        return {}
    if name.upper() not in PRESETS:
        raise UnknownName("lbw", name, (NONE, *PRESETS))
    (first, last), middle, (begin, end) = PRESETS[name.upper()]
    inputs = numbered("IN", *(block for block in range(depth) if first <= block * 12 // depth < last))
    outputs = numbered("OUT", *(block for block in range(depth) if begin <= block * 12 // depth < end))
    return dict.fromkeys((BASE, *inputs, *((MIDDLE,) if middle else ()), *outputs), 1.0)


def is_number(word: str) -> bool:
    """Return whether a word is a plain number from -1000 to 1000."""
    return re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", word) is not None and abs(float(word)) <= 1000


def block_of(published: str) -> str:
    """Return the block of a layer by its published name, with "_" for ".": input_blocks_4_1_proj_in is in IN04."""
    match = BLOCK.match(published)
    if match is None:
        return BASE
    return MIDDLE if match[1] == "middle" else f"{SIDES[match[1]]}{int(match[2]):02}"


def factor_of(weights: Mapping[str, float], published: Mapping[str, str]) -> Callable[[str], float]:
    """Return the factor of each module by its name. published: the published names of modules, with "_" for "."."""
    return lambda name: weights.get(block_of(published.get(name, "")), 0.0)
