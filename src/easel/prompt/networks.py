"""Tags in a prompt that name extra networks, as AUTOMATIC1111 writes them: <lora:name:0.8>, <hypernet:name:1>.

It takes tags out of a text and reads their numbers. It does not know which kinds and names there are, or files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from easel.core.errors import BadValue, UnknownName, Unsupported, shown
from easel.prompt.attention import HEAVIEST

TAG = re.compile(r"<(\w++):([^>]++)>")
LORA_KINDS = ("lora", "lyco")
LORA_ARGUMENTS = ("te", "unet", "dyn")  # in the order of those without a name
NAMED_ARGUMENTS = (*LORA_ARGUMENTS, "lbw")
DIMENSION = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class NetworkTag:
    """One tag: its arguments stand between colons; those with one "=" are named, the first of the others is `name`.

    arguments: the others after the first. name is "" where every argument is named.
    """

    kind: str
    name: str
    arguments: tuple[str, ...]
    named: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LoraTag:
    """What a tag says of a LoRA or one of its kind.

    te, unet: strengths for text encoder and denoiser, -1000..1000. rank: of the dynamic rank, None for the file's own.
    blocks: weights of the denoiser's blocks, a preset's name or numbers with commas between, "" for all alike.
    """

    name: str
    te: float
    unet: float
    rank: int | None = None
    blocks: str = ""


def split_networks(text: str) -> tuple[str, tuple[NetworkTag, ...]]:
    """Return the text without its tags, and the tags in their order. Never fails; space round a tag stays."""
    end = text.rfind(">") + 1  # a tag that nothing closes would be looked for again and again
    found = tuple(tag(match[1], match[2].split(":")) for match in TAG.finditer(text, 0, end))
    return TAG.sub("", text[:end]) + text[end:], found


def tag(kind: str, arguments: list[str]) -> NetworkTag:
    """Return the tag of a kind and at least one argument."""
    pairs = [argument.split("=") for argument in arguments]
    name, *others = ["=".join(pair) for pair in pairs if len(pair) != 2] or [""]
    return NetworkTag(kind, name, tuple(others), {pair[0]: pair[1] for pair in pairs if len(pair) == 2})


def lora_of(tag: NetworkTag) -> LoraTag:
    """Return what a tag says of a LoRA.

    <lora:name:te:unet:dyn> or <lora:name:te=1:unet=1:dyn=8>; where both are there the named one counts. Without te it
    is 1, without unet it is te. lbw= weighs blocks. Raises Unsupported for another kind of network, BadValue for what
    is no such number or has no name, UnknownName for any other argument.
    """
    if tag.kind not in LORA_KINDS:
        allowed = ", ".join(f"<{kind}:...>" for kind in LORA_KINDS)
        raise Unsupported(f"<{tag.kind}:{tag.name}> cannot be used; networks that can are {allowed}.")
    if not tag.name:
        raise BadValue(
            f"name of <{tag.kind}:...>", tag.name, "the name of a file", remedy="see `easel models list --kind lora`"
        )
    where = f"lora {shown(tag.name)}"
    if len(tag.arguments) > len(LORA_ARGUMENTS):
        raise BadValue(f"argument of {where}", tag.arguments[-1], "at most 3 without a name: te, unet, dyn")
    given = dict(zip(LORA_ARGUMENTS, tag.arguments, strict=False)) | dict(tag.named)
    for name in given:
        if name not in NAMED_ARGUMENTS:
            raise UnknownName(f"argument of {where}", name, NAMED_ARGUMENTS)
    te = strength(f"te of {where}", given.get("te", "1"))
    unet = strength(f"unet of {where}", given["unet"]) if "unet" in given else te
    cut = rank(f"dyn of {where}", given["dyn"]) if "dyn" in given else None
    return LoraTag(tag.name, te, unet, cut, given.get("lbw", ""))


def strength(field: str, text: str) -> float:
    """Return the number `text` says."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not -HEAVIEST <= value <= HEAVIEST:
        raise BadValue(field, text, f"a number from {-HEAVIEST:.0f} to {HEAVIEST:.0f}")
    return value


def rank(field: str, text: str) -> int:
    """Return the rank `text` says."""
    if not DIMENSION.fullmatch(text.strip()) or int(text) < 1:
        raise BadValue(field, text, "a whole number from 1 to 999999")
    return int(text)
