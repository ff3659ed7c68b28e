"""CLIP's picture towers (Radford et al. 2021, arXiv:2103.00020): pictures to what image prompts read of them.

A tower is a model's own (the folder image_encoder of a diffusers folder), or a file of the library's kind
"clip_vision". Knows pictures and towers; does not know what is made of what they give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from easel.core.errors import Incomplete, Mismatch, RequestError
from easel.core.work import Wanted
from easel.media.tensors import to_pixels
from easel.models.accelerate import Machine
from easel.models.files.listing import one_line
from easel.models.files.weights import build, read_tensors
from easel.models.layouts.picture_towers import KNOWN, Reads, TowerFile, fitting, read_tower
from easel.models.layouts.sources import pieces_of

if TYPE_CHECKING:
    from transformers import CLIPVisionModelWithProjection

    from easel.models.library.names import Library

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of what CLIP was shown
LEVELS = 255
Size = tuple[int, int]  # width and height in pixels


@dataclass(frozen=True, slots=True)
class Preparation:
    """How pictures are brought to a tower: resized, cut to their middle, and counted from a mean.

    size: that to which they are resized; a single number is that of the shorter side. crop: what is kept of the middle,
    None for all.
    """

    size: int | Size
    crop: Size | None
    filter: Image.Resampling = Image.Resampling.BICUBIC
    mean: tuple[float, ...] = MEAN
    deviation: tuple[float, ...] = DEVIATION

    @property
    def seen(self) -> Size | None:
        """The size of every picture at the end, None where that depends on the picture."""
        return self.crop or (None if isinstance(self.size, int) else self.size)

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """Return pictures as (n, 3, height, width) float32."""
        pixels = to_pixels([self.cut(self.resized(image.convert("RGB"))) for image in images])
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (self.mean, self.deviation))
        return (pixels - mean) / deviation

    def resized(self, image: Image.Image) -> Image.Image:
        """Return a picture resized as transformers' CLIPImageProcessor does it."""
        if not isinstance(self.size, int):
            return image.resize(self.size, self.filter)
        shorter = min(image.size)
        width, height = (int(self.size * side / shorter) for side in image.size)
        return image.resize((width, height), self.filter)

    def cut(self, image: Image.Image) -> Image.Image:
        """Return the middle of a picture."""
        if self.crop is None:
            return image
        left, top = (image.width - self.crop[0]) // 2, (image.height - self.crop[1]) // 2
        return image.crop((left, top, left + self.crop[0], top + self.crop[1]))


@dataclass(frozen=True, slots=True, eq=False)
class Tower:
    """A picture tower with how pictures are brought to it. file: what it was read from."""

    file: TowerFile
    model: CLIPVisionModelWithProjection
    preparation: Preparation
    machine: Machine

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """Return pictures as the tower sees them, (n, 3, side, side) float32 on the processor."""
        return self.preparation.pixels(images)

    def read(self, pixels: Tensor, reads: Reads) -> Tensor:
        """Return what the tower makes of pixels, on the device.

        "projection": (n, width), what CLIP compares with texts. "states": (n, places, width), its last layer but one.
        """
        with self.machine.using(self.model):
            given: Any = pixels.to(self.machine.device, self.machine.exact)
            found: Any = self.model(given, output_hidden_states=reads == "states")
            return found.image_embeds if reads == "projection" else found.hidden_states[-2]


def load_tower(path: Path, machine: Machine) -> Tower:
    """Return the tower in a file or folder. Raises ModelError naming it."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    file = read_tower(path)
    try:
        config = CLIPVisionConfig(**file.config)
    except (ValueError, TypeError, StrictDataclassError) as error:
        raise Mismatch(f"{path}: its shapes or config make no picture tower ({one_line(error)}).") from None
    tensors: dict[str, Any] = {}
    names: dict[str, str] = {}
    for key, tensor in read_tensors(file.files, file.places).items():
        for name, piece in pieces_of(path, key, file.places[key], tensor):
            tensors[name], names[name] = piece, key
    kind: Any = CLIPVisionModelWithProjection
    model: Any = build(
        lambda: kind(config),
        tensors,
        path,
        dtype=machine.exact,
        device=machine.home,
        keep=machine.exact_weights,
        names=names,
    )
    places = (file.config["image_size"] // file.config["patch_size"]) ** 2 + 1
    model.vision_model.embeddings.position_ids = torch.arange(places, device=machine.home)[None]
    return Tower(file, model, preparation_of(file), machine)


def preparation_of(file: TowerFile) -> Preparation:
    """Return how pictures are brought to a tower: what stands beside it in CLIPImageProcessor's words, else CLIP's way.

    Raises Mismatch where that gives pictures of another size than the tower reads.
    """
    side, said = int(file.config["image_size"]), file.preparation
    size, crop = said.get("size", side), said.get("crop_size", side)
    shorter = isinstance(size, Mapping) and "shortest_edge" in size
    try:
        found = Preparation(
            int(size["shortest_edge"]) if shorter else sides(size, whole=False),
            sides(crop, whole=True) if said.get("do_center_crop", True) else None,
            Image.Resampling(said.get("resample", Image.Resampling.BICUBIC)),
            tuple(said.get("image_mean", MEAN)) if said.get("do_normalize", True) else (0.0,) * 3,
            tuple(said.get("image_std", DEVIATION)) if said.get("do_normalize", True) else (1.0,) * 3,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Mismatch(f"{file.path}: its preprocessor_config.json makes no sense ({one_line(error)}).") from None
    if found.seen != (side, side):
        given = "pictures of any shape" if found.seen is None else "{}x{}".format(*found.seen)
        raise Mismatch(f"{file.path}: its preprocessor_config.json gives {given}, the tower reads {side}x{side}.")
    return found


def sides(size: Any, *, whole: bool) -> Any:
    """Return a size in CLIPImageProcessor's words: a number, of both sides where it is a whole one, or both by name."""
    if isinstance(size, Mapping):
        return int(size["width"]), int(size["height"])
    return (int(size), int(size)) if whole else int(size)


def wanted_reader(reads: Reads, width: int, model: str) -> Wanted:
    """Return what to load where nobody named a reader: one of which so much can be read, a model's own before others.

    model: its name.
    """
    return Wanted("clip_vision", "", (("reads", reads), ("width", str(width)), ("model", model)))


def find_tower(library: Library, wanted: Wanted) -> Path:
    """Return where a wanted tower stands: the one of that name, else the first that fits.

    Raises UnknownName for a name that is none, Incomplete where none fits, saying which is needed and how it comes.
    """
    if wanted.name:
        return library.find_file("clip_vision", wanted.name)
    said = dict(wanted.options)
    reads, width = said["reads"], int(said["width"])
    places = own_tower(library, said["model"]) | library.places("clip_vision")
    found = fitting(places, "states" if reads == "states" else "projection", width)
    if found is None:
        known = KNOWN.get((reads, width), "")
        raise Incomplete(
            f"no picture reader here gives {reads} {width} wide{f', as {known} does' if known else ''}; put such a "
            "file into the folder clip_vision of your models (h94/IP-Adapter has it: image_encoder/model.safetensors)."
        )
    return found


def own_tower(library: Library, model: str) -> dict[str, Path]:
    """Return a model's own picture tower where it has one: in a diffusers folder, image_encoder."""
    try:
        folder = library.where(model)[0] / "image_encoder"
    except RequestError:  # a model that has no name here, as one that stands nowhere but in memory
        return {}
    return {model: folder} if (folder / "config.json").is_file() else {}
