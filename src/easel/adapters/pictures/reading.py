"""What a file of an image prompt is, from its header: its kind, what it reads, and for which models it is.

The files that people have are h94's: a projection under image_proj, and for each cross-attention of a U-Net the keys
and values of pictures under ip_adapter, by its number among all attentions; in FaceID's a LoRA stands among them.
Reads no tensor and imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from easel.adapters.pictures.kinds import KINDS, Kind, Made
from easel.core.errors import Incomplete, Mismatch, Unrecognised
from easel.models.files.opening import listing_of
from easel.models.layouts.naming import Place, inside, placed
from easel.models.layouts.shapes import Shapes

PROJECTION, ATTENTION = "image_proj.", "ip_adapter."
AS_TRAINED = {"image_proj_model.": PROJECTION, "adapter_modules.": ATTENTION}  # as tencent-ailab's training leaves them
ENDINGS = (".safetensors", ".bin", ".pth")
KEY = re.compile(r"(\d+)\.to_(k|v)_ip\.weight")
LORA = re.compile(r"(\d+)\.to_(q|k|v|out)_lora\.(down|up)\.weight")
MODELS = {(16, 768): "Stable Diffusion 1.x", (16, 1024): "Stable Diffusion 2.x", (70, 2048): "SDXL"}


@dataclass(frozen=True, slots=True, eq=False)
class PictureFile:
    """An image prompt that was not loaded yet.

    places: of its projection's tensors, by the file's names. keys, values: the file's names of the linear layers of
    each cross-attention, in order. lora: those of a LoRA, by number of an attention, its layer and half.
    width: of the text that a U-Net reads beside it. shortcut: whether the face's tokens are added to what the resampler
    makes of them (FaceID plus v2); normed: whether a face's embedding is brought to length 1. Names of files tell both.
    """

    path: Path
    kind: Kind
    made: Made
    places: Mapping[str, Place]
    keys: tuple[str, ...]
    values: tuple[str, ...]
    lora: Mapping[tuple[int, str, str], str]
    width: int
    shortcut: bool
    normed: bool

    @property
    def words(self) -> str:
        """What it is and for which models, such as "IP-Adapter plus for SDXL"."""
        known = MODELS.get((len(self.keys), self.width))
        return f"{self.kind.words} for {known or f'a model that reads text {self.width} wide'}"


def read_image_prompt(file: Path) -> PictureFile:
    """Return what an image prompt's file holds. Raises ModelError naming it.

    file: safetensors or torch pickle, or a folder with one such file.
    """
    path = only_file(file) if file.is_dir() else file
    stored = listing_of(path).tensors
    called = {as_published(name): name for name in stored}
    found = {name: stored[old].shape for name, old in called.items()}
    projection = {name.removeprefix(PROJECTION): size for name, size in found.items() if name.startswith(PROJECTION)}
    attention = {name.removeprefix(ATTENTION): size for name, size in found.items() if name.startswith(ATTENTION)}
    kind = kind_of(path, projection, attention)
    try:
        made = kind.made(projection)
    except (Incomplete, Mismatch) as error:
        raise type(error)(f"{path}: of its image_proj {error}; fetch it again.") from None
    except ZeroDivisionError:
        raise Mismatch(f"{path}: its image_proj makes no projection; fetch it again.") from None
    table = inside(PROJECTION, "", kind.names(projection))
    places = {old: placed(name, table) for name, old in called.items() if name.startswith(PROJECTION)}
    numbers = sorted({int(told[1]) for name in attention if (told := KEY.fullmatch(name))})
    names = {half: tuple(f"{number}.to_{half}_ip.weight" for number in numbers) for half in "kv"}
    check_layers(path, attention, (*names["k"], *names["v"]), made.width)
    return PictureFile(
        path,
        kind,
        made,
        {old: place or Place((old,)) for old, place in places.items()},
        tuple(called[ATTENTION + name] for name in names["k"]),
        tuple(called[ATTENTION + name] for name in names["v"]),
        {(int(told[1]), told[2], told[3]): called[ATTENTION + name] for name, told in lora_in(attention)},
        attention[names["k"][0]][1],
        shortcut=bool(made.face and made.read and re.search(r"v2", path.stem.casefold())),
        normed="unnorm" not in path.stem.casefold(),
    )


def kind_of(path: Path, projection: Shapes, attention: Shapes) -> Kind:
    """Return the kind of a file by its names. Raises Unrecognised, saying what it has."""
    kind = next((kind for kind in KINDS.values() if all(mark in projection for mark in kind.marks)), None)
    if kind is None or not any(KEY.fullmatch(name) for name in attention):
        known = ", ".join(kind.words.removeprefix("IP-Adapter").strip() or "plain" for kind in KINDS.values())
        raise Unrecognised(
            f"{path}: no IP-Adapter for a U-Net; one has image_proj.* and ip_adapter.N.to_k_ip.weight, of the kinds "
            f"{known}."
        )
    return kind


def check_layers(path: Path, attention: Shapes, names: tuple[str, ...], width: int) -> None:
    """Raise Incomplete or Mismatch unless each cross-attention has keys and values that read tokens of this width."""
    for name in names:
        if name not in attention:
            raise Incomplete(f"{path}: {ATTENTION + name!r} is missing; fetch it again.")
        if len(attention[name]) != 2 or attention[name][1] != width:
            raise Mismatch(
                f"{path}: {ATTENTION + name!r} is {attention[name]}, its image_proj makes tokens {width} wide."
            )


def lora_in(attention: Shapes) -> list[tuple[str, re.Match[str]]]:
    """Return the names of a LoRA among those of attentions, each with what it says."""
    return [(name, told) for name in attention if (told := LORA.fullmatch(name))]


def as_published(name: str) -> str:
    """Return a tensor's name as h94's files have it, where it is as its training left it."""
    start = next((old for old in AS_TRAINED if name.startswith(old)), "")
    return AS_TRAINED.get(start, "") + name.removeprefix(start)


def only_file(folder: Path) -> Path:
    """Return the one weights file in a folder. Raises Incomplete where there is none, or are several."""
    there = sorted(file for file in folder.iterdir() if file.suffix in ENDINGS)
    if len(there) != 1:
        raise Incomplete(f"{folder}: has {len(there)} weights files, needed is one IP-Adapter; name the file itself.")
    return there[0]
