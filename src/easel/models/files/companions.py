"""Packed weights of safetensors files: what belongs to a weight is folded into it, and no longer listed by itself.

nf4 and fp4 as bitsandbytes writes them, float8 with a scale as ComfyUI reads it. Reads of tensors only the few words in
which bitsandbytes keeps a weight's shape; no torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from easel.core.errors import Incomplete, Mismatch
from easel.models.files.listing import Listing, Stored, one_line

STATE = ".quant_state.bitsandbytes__"
BITSANDBYTES = {"map": "quant_map", "absmax": "absmax", "nested map": "nested_quant_map", "nested": "nested_absmax"}
FOUR_BITS = {"nf4": "NF4", "fp4": "FP4"}
LONGEST_STATE = 4096  # bytes
SCALES = (".scale_weight", ".weight_scale")  # beside ".weight"
UNREAD = (".scale_input", ".input_scale", ".comfy_quant")  # beside a scaled weight: of activations, or said again
MARK = "scaled_fp8"  # an empty tensor which says that there are scales
SCALE_FORMATS = ("F32", "F16", "BF16")


def folded(listing: Listing) -> Listing:
    """Return a listing whose packed weights stand there as weights. Raises Mismatch or Incomplete naming the key."""
    tensors = dict(listing.tensors)
    try:
        if any(STATE in name for name in tensors):
            with listing.path.open("rb") as opened:
                fold_bitsandbytes(tensors, opened)
        fold_scales(tensors)
    except ValueError as error:
        raise Mismatch(f"{listing.path}: {one_line(error)}.") from None
    except OSError as error:
        raise Incomplete(f"{listing.path}: cannot be read ({one_line(error)}).") from None
    return replace(listing, tensors=tensors)


def fold_bitsandbytes(tensors: dict[str, Stored], opened: BinaryIO) -> None:
    """Fold what bitsandbytes keeps of a weight in four bits. Raises ValueError naming it."""
    for name in [name for name in tensors if STATE in name]:
        weight, _, kind = name.partition(STATE)
        state = tensors.pop(name)
        there = {role: tensors.pop(f"{weight}.{word}", None) for role, word in BITSANDBYTES.items()}
        found = {role: one for role, one in there.items() if one is not None}
        said = state_of(name, state, opened)
        try:
            codes = tensors[weight]
            shape = tuple(said["shape"])
            blocks = -(-math.prod(shape) // said["blocksize"])
            if kind not in FOUR_BITS or any(type(side) is not int or side < 0 for side in shape):
                raise ValueError
            expected = [("map", "F32", 16), ("absmax", "F32", blocks)]
            if "nested" in found:
                groups = -(-blocks // said["nested_blocksize"])
                expected = [("map", "F32", 16), ("absmax", "U8", blocks), ("nested map", "F32", 256)]
                expected.append(("nested", "F32", groups))
            fits = all((found[role].dtype, math.prod(found[role].shape)) == (of, count) for role, of, count in expected)
            if not fits or codes.dtype != "U8" or codes.size != -(-math.prod(shape) // 2):
                raise ValueError
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            raise ValueError(f"{weight!r} is not the packed weight that {name!r} speaks of") from None
        tensors[weight] = replace(
            codes, dtype=FOUR_BITS[kind], shape=shape, beside={"codes": codes, "state": state, **found}
        )


def state_of(name: str, state: Stored, opened: BinaryIO) -> Mapping[str, Any]:
    """Return what bitsandbytes says of a weight. Raises ValueError naming it."""
    if state.dtype != "U8" or state.size > LONGEST_STATE:
        raise ValueError(f"{name!r} is no text of at most {LONGEST_STATE} bytes")
    opened.seek(state.offset)
    try:
        said = json.loads(opened.read(state.size))
    except (ValueError, RecursionError):
        raise ValueError(f"{name!r} is no JSON") from None
    if not isinstance(said, dict):
        raise ValueError(f"{name!r} is no JSON object")
    return said


def fold_scales(tensors: dict[str, Stored]) -> None:
    """Fold the scales of float8 weights, one for all or one a row, and leave out marks. Raises ValueError."""
    for name, stem in list(scales_of(tensors)):
        weight, scale = f"{stem}.weight", tensors.pop(name)
        codes = tensors[weight]
        rows = codes.shape[0] if codes.shape else 1
        a_row = scale.shape[:1] == (rows,) and math.prod(scale.shape) == rows
        if scale.dtype not in SCALE_FORMATS or not (math.prod(scale.shape) == 1 or a_row):
            raise ValueError(
                f"{name!r} is {scale.dtype} {scale.shape}; a scale is one number, or one for each of the {rows} rows"
            )
        tensors[weight] = replace(codes, dtype="fp8 scaled", beside={"codes": codes, "scale": scale})
        for word in UNREAD:
            tensors.pop(stem + word, None)
    for name in [name for name in tensors if name == MARK or name.endswith("." + MARK)]:
        del tensors[name]


def scales_of(tensors: Mapping[str, Stored]) -> Iterator[tuple[str, str]]:
    """Yield the names of scales and of the layers that they belong to, where the weight is in float8."""
    for name in tensors:
        for word in SCALES:
            stem = name.removesuffix(word)
            codes = tensors.get(f"{stem}.weight")
            if stem != name and codes is not None and codes.dtype.startswith("F8_"):
                yield name, stem
