"""Picture towers: every layout is one tower, pictures come to it as to CLIP, and it is found by its width."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from easel.core.errors import Incomplete, Mismatch, UnknownName, Unrecognised
from easel.core.settings import read_settings
from easel.core.work import Wanted
from easel.models.accelerate import Machine
from easel.models.layouts.picture_towers import read_tower
from easel.models.library.names import STARTER, Library
from easel.models.vision import Tower, find_tower, load_tower, preparation_of, wanted_reader
from tests.adapters.pictures.making import PROJECTED, VISION, picture, write_tower
from tests.layouts.sparse import write_sparse

MACHINE = Machine("cpu", torch.float32, torch.float32)
LAYER = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tower(tmp_path_factory.mktemp("towers") / "image_encoder")


def open_clip(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of transformers' tower as OpenCLIP's VisionTransformer has them."""
    given = {name.removeprefix("vision_model."): tensor for name, tensor in tensors.items()}
    ends = {
        "class_embedding": "embeddings.class_embedding",
        "positional_embedding": "embeddings.position_embedding.weight",
        "conv1.weight": "embeddings.patch_embedding.weight",
    }
    found = {new: given[old] for new, old in ends.items()}
    for kind in ("weight", "bias"):
        found |= {f"ln_pre.{kind}": given[f"pre_layrnorm.{kind}"], f"ln_post.{kind}": given[f"post_layernorm.{kind}"]}
        for layer in range(3):
            old, new = f"encoder.layers.{layer}", f"transformer.resblocks.{layer}"
            found |= {f"{new}.{name}.{kind}": given[f"{old}.{part}.{kind}"] for part, name in LAYER.items()}
            three = [given[f"{old}.self_attn.{letter}_proj.{kind}"] for letter in "qkv"]
            found[f"{new}.attn.in_proj_{kind}"] = torch.cat(three)
            found[f"{new}.attn.out_proj.{kind}"] = given[f"{old}.self_attn.out_proj.{kind}"]
    found["proj"] = given["visual_projection.weight"].T.contiguous()
    return {f"visual.{name}": tensor.clone() for name, tensor in found.items()} | {"logit_scale": torch.ones(())}


@torch.no_grad()
def seen(tower: Tower) -> tuple[Tensor, Tensor]:
    pixels = tower.pixels([Image.open(io.BytesIO(picture(seed, (50 + seed, 40)))) for seed in range(2)])
    return tower.read(pixels, "projection"), tower.read(pixels, "states")


def test_every_layout_is_the_same_tower(folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    first = seen(load_tower(folder, MACHINE))
    assert (first[0].shape, first[1].shape) == ((2, PROJECTED), (2, 17, VISION))
    said = json.loads((folder / "config.json").read_text())
    whole = {"architectures": ["CLIPModel"], "model_type": "clip", "vision_config": said}
    for place, kept, config in (
        ("file", tensors, said),
        ("open_clip", open_clip(tensors), said),
        ("whole", {**tensors, "text_model.final_layer_norm.weight": torch.ones(4)}, whole),
        ("old", {**tensors, "vision_model.embeddings.position_ids": torch.arange(17)[None]}, said),
    ):
        (tmp_path / place).mkdir()
        file = tmp_path / place / "model.safetensors"
        save_file(kept, file)
        (tmp_path / place / "config.json").write_text(json.dumps(config))
        for path in (file, file.parent):
            again = seen(load_tower(path, MACHINE))
            assert all(map(torch.equal, first, again)), place


@torch.no_grad()
def test_it_is_transformers_own(folder: Path) -> None:
    from transformers import CLIPVisionModelWithProjection
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor: Any = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    model: Any = CLIPVisionModelWithProjection.from_pretrained(folder)
    tower = load_tower(folder, MACHINE)
    for size in ((32, 32), (64, 64), (33, 57), (200, 31), (20, 12)):
        image = Image.open(io.BytesIO(picture(1, size)))
        pixels = processor([image], return_tensors="pt").pixel_values
        torch.testing.assert_close(tower.pixels([image]), pixels, rtol=0, atol=1e-5)
        found = model(pixels, output_hidden_states=True)
        torch.testing.assert_close(tower.read(pixels, "projection"), found.image_embeds)
        torch.testing.assert_close(tower.read(pixels, "states"), found.hidden_states[-2])


@torch.no_grad()
def test_the_starters_own() -> None:
    """Its pictures are squeezed to 64 x 64 by means of areas, and its vectors are those that it was trained with."""
    from easel.training.networks.export import load as load_parts
    from easel.training.networks.towers import picture_features

    tower = load_tower(STARTER / "image_encoder", MACHINE)
    image = Image.open(io.BytesIO(picture(1, (128, 128))))
    pixels = tower.pixels([image])
    assert pixels.shape == (1, 3, 64, 64)
    levels = torch.from_numpy(numpy.asarray(image).copy()).permute(2, 0, 1)[None] / 127.5 - 1
    features = picture_features(load_parts(STARTER)[1], levels)
    found = torch.nn.functional.normalize(tower.read(pixels, "projection"), dim=-1)
    assert float((found * features).sum()) > 0.9999


FULL = {"L": (1024, 24, 4096, 14, 768), "H": (1280, 32, 5120, 14, 1024), "G": (1664, 48, 8192, 14, 1280)}


@pytest.mark.parametrize("name", FULL)
def test_published_towers_without_a_config(tmp_path: Path, name: str) -> None:
    """As h94's and OpenAI's configs have them."""
    width, layers, inner, patch, projected = FULL[name]
    shapes: dict[str, tuple[int, ...]] = {
        "vision_model.embeddings.class_embedding": (width,),
        "vision_model.embeddings.patch_embedding.weight": (width, 3, patch, patch),
        "vision_model.embeddings.position_embedding.weight": (257, width),
        "vision_model.encoder.layers.0.mlp.fc1.weight": (inner, width),
        "visual_projection.weight": (projected, width),
    }
    shapes |= {f"vision_model.encoder.layers.{layer}.mlp.fc2.bias": (width,) for layer in range(layers)}
    tower = read_tower(write_sparse(tmp_path / "clip.safetensors", shapes))
    assert (tower.width("projection"), tower.width("states")) == (projected, width)
    config = tower.config
    assert config["num_attention_heads"] == 16
    assert config["hidden_act"] == ("quick_gelu" if name == "L" else "gelu")
    assert (config["image_size"], config["num_hidden_layers"]) == (224, layers)
    found = preparation_of(tower)
    assert (found.size, found.crop) == (224, (224, 224))


def test_a_reader_is_found_by_what_it_gives(folder: Path, tmp_path: Path) -> None:
    """The model's own before those of the library; by its name; and one line says what is missing."""
    models = tmp_path / "models"
    for name, width in (("other", 40), ("right", PROJECTED), ("second", PROJECTED)):
        write_tower(models / "clip_vision" / name, projected=width)
    (models / "clip_vision" / "broken.safetensors").write_bytes(b"nothing")
    library = Library(read_settings(models=models))
    found = find_tower(library, wanted_reader("projection", PROJECTED, "starter"))
    assert found == models / "clip_vision" / "right" / "model.safetensors"
    assert find_tower(library, wanted_reader("states", VISION, "nobody's")).parent.name == "other"
    assert find_tower(library, wanted_reader("projection", 256, "starter")) == STARTER / "image_encoder"
    assert find_tower(library, Wanted("clip_vision", "second")).parent.name == "second"
    with pytest.raises(UnknownName, match="picture reader 'third' is not known"):
        find_tower(library, Wanted("clip_vision", "third"))
    with pytest.raises(Incomplete, match=r"gives projection 1024 wide, as CLIP-H/14 does; put such a file"):
        find_tower(library, wanted_reader("projection", 1024, "starter"))


def test_what_is_no_tower(folder: Path, tmp_path: Path) -> None:
    save_file({"text_model.x": torch.ones(1)}, tmp_path / "text.safetensors")
    with pytest.raises(Unrecognised, match="no picture reader"):
        read_tower(tmp_path / "text.safetensors")
    tensors = load_file(folder / "model.safetensors")
    del tensors["visual_projection.weight"]
    save_file(tensors, tmp_path / "short.safetensors")
    with pytest.raises(Incomplete, match=r"short\.safetensors: 'visual_projection\.weight' is missing"):
        read_tower(tmp_path / "short.safetensors")
    with pytest.raises(Incomplete, match="no weights here"):
        read_tower(tmp_path)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"size": {"height": 16, "width": 16}, "do_center_crop": False}, "gives 16x16, the tower reads 32x32"),
        ({"size": {"shortest_edge": 32}, "do_center_crop": False}, "gives pictures of any shape"),
        ({"resample": 99}, "makes no sense"),
        ({"size": {"longest": 3}}, "makes no sense"),
    ],
)
def test_preparations_that_cannot_be(folder: Path, tmp_path: Path, said: dict[str, Any], told: str) -> None:
    shutil.copytree(folder, tmp_path / "tower")
    (tmp_path / "tower" / "preprocessor_config.json").write_text(json.dumps(said))
    with pytest.raises(Mismatch, match=told):
        load_tower(tmp_path / "tower", MACHINE)
