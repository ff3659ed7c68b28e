"""What is where, each kind of thing in its data set's colour, by networks of transformers' folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from easel.core.errors import Mismatch
from easel.models.readers.files import Readers
from easel.models.readers.needs import ROOMS, ROOMS_ONE, THINGS_ONE, Need
from easel.models.readers.palettes import ADE20K, COCO, colours
from easel.models.readers.registry import reader

if TYPE_CHECKING:
    from torch import Tensor

    from easel.models.readers.published import Published

TASK_WORDS = "the task is semantic"  # what OneFormer is told


@reader("seg-ade20k", "seg_ufade20k", label="Segments of ADE20K", control="Segmentation", needs=(ROOMS,))
def seg_ade20k(image: Image.Image, readers: Readers) -> Image.Image:
    """Return 150 kinds of things, by UperNet or SegFormer."""
    return segmented(image, readers.network(ROOMS, read_semantic), readers, ADE20K, ROOMS)


@reader(
    "seg-ade20k-oneformer",
    "seg_ofade20k",
    label="Segments of ADE20K, OneFormer",
    control="Segmentation",
    needs=(ROOMS_ONE,),
)
def seg_ade20k_oneformer(image: Image.Image, readers: Readers) -> Image.Image:
    """Return 150 kinds of things, by OneFormer."""
    return segmented(image, readers.network(ROOMS_ONE, read_universal), readers, ADE20K, ROOMS_ONE)


@reader("seg-coco", "seg_ofcoco", label="Segments of COCO, OneFormer", control="Segmentation", needs=(THINGS_ONE,))
def seg_coco(image: Image.Image, readers: Readers) -> Image.Image:
    """Return 133 kinds of things, by OneFormer."""
    return segmented(image, readers.network(THINGS_ONE, read_universal), readers, COCO, THINGS_ONE)


def segmented(image: Image.Image, network: Published, readers: Readers, palette: str, need: Need) -> Image.Image:
    """Return each pixel in the colour of what is there. Raises Mismatch where the network knows other kinds."""
    import torch

    table = colours(palette)
    seen = network.look.seen(image).to(readers.device)
    with torch.inference_mode(), readers.using(network.network):
        maps = scores(network, seen).cpu()
    if maps.shape[1] != len(table):
        known = f"{maps.shape[1]} kinds of things, needed are {len(table)}"
        raise Mismatch(f"{readers.file(need)}: tells {known}; take {need.repository}.")
    kinds = network.look.back(maps, image.size)[0].argmax(0)
    return Image.fromarray(table[kinds.numpy()])


def scores(network: Published, seen: Tensor) -> Tensor:
    """Return how much each pixel is of each kind, (1, kinds, height, width)."""
    import torch

    more: dict[str, Tensor] = {}
    if network.config.get("model_type") == "oneformer":
        more["task_inputs"] = task_inputs(network).to(seen.device)
    found = network.network(pixel_values=seen, **more)
    if getattr(found, "logits", None) is not None:
        return found.logits
    kinds = found.class_queries_logits.softmax(-1)[..., :-1]  # the last is nothing
    return torch.einsum("bqk,bqhw->bkhw", kinds, found.masks_queries_logits.sigmoid())


def task_inputs(network: Published) -> Tensor:
    """Return what OneFormer is told to do, (1, length): the words' numbers, then zeros."""
    import torch
    import transformers

    length = int(network.config.get("task_seq_len", 77))
    reads = transformers.AutoTokenizer.from_pretrained(network.folder, local_files_only=True, trust_remote_code=False)
    numbers = reads(TASK_WORDS, truncation=True, max_length=length)["input_ids"]
    return torch.tensor([[*numbers, *(0,) * (length - len(numbers))]])


def read_semantic(path: Path, home: str) -> Published:
    """Return a transformers folder's network that tells each pixel's kind."""
    from easel.models.readers.published import read_published

    return read_published(path, home, "AutoModelForSemanticSegmentation")


def read_universal(path: Path, home: str) -> Published:
    """Return a transformers folder's network that tells masks and their kinds."""
    from easel.models.readers.published import read_published

    return read_published(path, home, "AutoModelForUniversalSegmentation")
