"""Depth, normals and segments by transformers' folders, held against transformers' own way with the same folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from easel.core.errors import Incomplete, Mismatch, Unrecognised
from easel.media.hints.levels import slopes
from easel.models.layouts.identify import identify
from easel.models.readers import hint_of
from easel.models.readers.depths import depth_of, near_of, read_depth
from easel.models.readers.needs import ANYTHING_2, MIDAS, ZOE
from easel.models.readers.palettes import ADE20K, COCO, colours
from easel.models.readers.published import Look, read_look
from tests.models.readers.making import readers_of, scene

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALVES = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def write_published(folder: Path, network: Any, look: dict[str, Any]) -> Path:
    """Write a network as transformers does, with how it sees."""
    network.eval().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(look))
    return folder


def write_anything(folder: Path, **more: Any) -> Path:
    """Write a Depth Anything of a few thousand parameters."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(0)
    backbone = Dinov2Config(
        image_size=56,
        patch_size=14,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    sizes = {"reassemble_hidden_size": 16, "neck_hidden_sizes": [8] * 4, "fusion_hidden_size": 8, "head_hidden_size": 8}
    config = DepthAnythingConfig(backbone_config=backbone, patch_size=14, **sizes, **more)
    look = {"size": {"height": 70, "width": 70}, "keep_aspect_ratio": True, "ensure_multiple_of": 14, "resample": 3}
    return write_published(folder, DepthAnythingForDepthEstimation(config), {**look, **IMAGENET})


def write_midas(folder: Path) -> Path:
    """Write a DPT of a few thousand parameters."""
    from transformers import DPTConfig, DPTForDepthEstimation

    torch.manual_seed(1)
    config = DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        backbone_out_indices=[0, 1, 2, 3],
        image_size=64,
        patch_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
    )
    return write_published(folder, DPTForDepthEstimation(config), {"size": 64, "resample": 2, **HALVES})


def write_zoe(folder: Path) -> Path:
    """Write a ZoeDepth of a few thousand parameters."""
    from transformers import BeitConfig, ZoeDepthConfig, ZoeDepthForDepthEstimation

    torch.manual_seed(2)
    backbone = BeitConfig(
        image_size=32,
        patch_size=16,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        use_relative_position_bias=True,
    )
    config = ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        bottleneck_features=8,
        num_relative_features=4,
        bin_embedding_dim=8,
        num_attractors=[4, 2, 2, 2],
        bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0, "name": "nyu"}],
    )
    look = {"image_processor_type": "ZoeDepthImageProcessor", "do_pad": True, "size": {"height": 64, "width": 96}}
    more = {"keep_aspect_ratio": True, "ensure_multiple_of": 32, "resample": 2}
    network = ZoeDepthForDepthEstimation(config)
    for parameter in network.parameters():
        parameter.data.normal_(0, 0.3)  # fresh weights see no difference in pictures
    return write_published(folder, network, {**look, **more, **HALVES})


DPT = "dpt.image_processing_pil_dpt.DPTImageProcessorPil"
ZOE_DEPTH = "zoedepth.image_processing_pil_zoedepth.ZoeDepthImageProcessorPil"


def theirs(folder: Path, task: str, image: Image.Image, processor: str) -> Any:
    """Return what transformers makes of a picture: its own reading, its own look, its own way back."""
    from importlib import import_module

    import transformers

    network = getattr(transformers, task).from_pretrained(folder).eval()
    module, _, name = processor.rpartition(".")
    looks = getattr(import_module(f"transformers.models.{module}"), name).from_pretrained(folder)
    given = looks(images=image, return_tensors="pt")
    with torch.inference_mode():
        return looks, network(**given), given["pixel_values"]


def test_depth_anything_is_as_transformers_has_it(tmp_path: Path) -> None:
    folder = write_anything(tmp_path / "preprocessors/Depth-Anything-V2-Small-hf")
    readers = readers_of(tmp_path)
    found, metric = depth_of(scene(), readers, ANYTHING_2)
    looks, answer, seen = theirs(folder, "DepthAnythingForDepthEstimation", scene(), DPT)
    mine = readers.network(ANYTHING_2, read_depth).look.seen(scene())
    assert mine.shape == seen.shape and torch.allclose(mine, seen, atol=0.05)
    (depth,) = looks.post_process_depth_estimation(answer, target_sizes=[(64, 96)])
    span = float(numpy.ptp(found))
    assert not metric and span > 0 and abs(found - depth["predicted_depth"].numpy()).mean() < 0.05 * span
    hint = numpy.asarray(hint_of(scene(), "depth_anything_v2", readers=readers))
    assert hint.shape == (64, 96, 3) and (hint.min(), hint.max()) == (0, 255)
    assert (hint[..., 0].ravel()[found.argmax()], hint[..., 0].ravel()[found.argmin()]) == (255, 0)  # near is bright


def test_zoe_s_metres_are_turned_and_its_margins_cut(tmp_path: Path) -> None:
    folder = write_zoe(tmp_path / "preprocessors/zoedepth-nyu-kitti")
    readers = readers_of(tmp_path)
    found, metric = depth_of(scene(), readers, ZOE)
    _, answer, seen = theirs(
        folder,
        "ZoeDepthForDepthEstimation",
        scene(),
        ZOE_DEPTH,
    )
    mine = readers.network(ZOE, read_depth).look.seen(scene())
    assert mine.shape == seen.shape and (mine - seen).abs().mean() < 0.05
    down, across = int((64 / 2) ** 0.5 * 3), int((96 / 2) ** 0.5 * 3)  # their own way back needs torchvision
    whole = F.interpolate(answer.predicted_depth[:, None], (64 + 2 * down, 96 + 2 * across), mode="bicubic")
    depth = whole[0, 0, down:-down, across:-across].numpy()
    assert metric and abs(found - depth).mean() < 0.05 * numpy.ptp(found)
    hint = numpy.asarray(hint_of(scene(), "depth_zoe", readers=readers))[..., 0]
    assert hint.ravel()[found.argmin()] == 255 and hint.ravel()[found.argmax()] == 0


def test_midas_and_its_normals(tmp_path: Path) -> None:
    write_midas(tmp_path / "annotators/dpt-hybrid-midas")
    readers = readers_of(tmp_path)
    depth, _ = depth_of(scene(), readers, MIDAS)
    assert numpy.ptp(numpy.asarray(hint_of(scene(), "depth_midas", readers=readers))) == 255
    faces = numpy.asarray(
        hint_of(scene(), "normal_midas", options={"background": 0.0, "flatness": 0.1}, readers=readers)
    )
    right, down = slopes(depth[..., None])
    length = numpy.sqrt(right**2 + down**2 + 0.1**2)
    for channel, way in enumerate((right, down, numpy.full_like(right, 0.1))):
        assert abs(faces[..., channel] - (way / length * 127.5 + 127.5)).max() <= 1
    flat = numpy.asarray(hint_of(scene(), "normal_midas", options={"background": 1.0}, readers=readers))
    assert (flat.reshape(-1, 3) == (127, 127, 255)).all(1).mean() > 0.99


def test_relative_depth_is_stretched_and_metres_are_cut_at_percentiles() -> None:
    depth = numpy.arange(101, dtype=numpy.float32)
    assert near_of(depth, metric=False)[[0, 50, 100]] == pytest.approx([0, 0.5, 1])
    assert near_of(depth, metric=True)[[0, 2, 85, 100]] == pytest.approx([1, 1, 0, 0])
    assert near_of(numpy.ones(5, numpy.float32), metric=False).tolist() == [0] * 5


def write_segments(folder: Path, kinds: int = 150) -> Path:
    """Write a SegFormer of a few thousand parameters."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(3)
    config = SegformerConfig(
        num_labels=kinds,
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        depths=[1, 1, 1, 1],
        decoder_hidden_size=16,
    )
    return write_published(folder, SegformerForSemanticSegmentation(config), {"size": {"height": 64, "width": 64}})


def test_segments_are_as_transformers_has_them(tmp_path: Path) -> None:
    folder = write_segments(tmp_path / "preprocessors/segformer-b0-finetuned-ade-512-512")
    hint = hint_of(scene(), "seg_ufade20k", readers=readers_of(tmp_path))
    looks, answer, _ = theirs(
        folder,
        "SegformerForSemanticSegmentation",
        scene(),
        "segformer.image_processing_pil_segformer.SegformerImageProcessorPil",
    )
    (kinds,) = looks.post_process_semantic_segmentation(answer, target_sizes=[(64, 96)])
    same = (numpy.asarray(hint) == colours(ADE20K)[kinds.numpy()]).all(-1)
    assert same.mean() > 0.9 and len(set(map(tuple, numpy.asarray(hint).reshape(-1, 3)))) > 1


def write_oneformer(folder: Path, kinds: int) -> Path:
    """Write a OneFormer of a few hundred thousand parameters, with the words that it is told."""
    from transformers import OneFormerConfig, OneFormerForUniversalSegmentation, SwinConfig

    from tests.tiny import write_tokenizer

    torch.manual_seed(4)
    backbone = SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 1, 1],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = OneFormerConfig(
        backbone_config=backbone,
        num_labels=kinds,
        num_queries=6,
        hidden_dim=32,
        conv_dim=32,
        mask_dim=32,
        num_attention_heads=2,
        encoder_layers=1,
        decoder_layers=2,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        text_encoder_width=32,
        text_encoder_num_layers=1,
        text_encoder_n_ctx=4,
        query_dec_layers=1,
        task_seq_len=12,
        is_training=False,
    )
    write_tokenizer(folder)
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77})
    )
    look = {"size": {"shortest_edge": 64, "longest_edge": 128}, **IMAGENET}
    return write_published(folder, OneFormerForUniversalSegmentation(config), look)


def test_oneformer_tells_kinds_by_masks(tmp_path: Path) -> None:
    write_oneformer(tmp_path / "preprocessors/oneformer_coco_swin_large", 133)
    hint = numpy.asarray(hint_of(scene(), "seg_ofcoco", readers=readers_of(tmp_path)))
    assert hint.shape == (64, 96, 3)
    assert set(map(tuple, hint.reshape(-1, 3))) <= set(map(tuple, colours(COCO)))


def test_the_palettes_are_whole_and_no_two_colours_of_one_are_alike() -> None:
    assert (len(colours(ADE20K)), len(colours(COCO))) == (150, 133)
    assert tuple(colours(ADE20K)[0]) == (120, 120, 120) and tuple(colours(ADE20K)[-1]) == (92, 0, 255)
    assert tuple(colours(COCO)[0]) == (220, 20, 60) and len(set(map(tuple, colours(COCO)))) == 133


def test_a_folder_of_another_kind_or_without_tensors_is_told(tmp_path: Path) -> None:
    folder = write_segments(tmp_path / "preprocessors/Depth-Anything-V2-Small-hf")
    with pytest.raises(Unrecognised, match="'segformer' is no network for this"):
        hint_of(scene(), "depth_anything_v2", readers=readers_of(tmp_path))
    write_segments(tmp_path / "annotators/upernet-convnext-small", 19)
    with pytest.raises(Mismatch, match="tells 19 kinds of things, needed are 150"):
        hint_of(scene(), "seg_ufade20k", readers=readers_of(tmp_path))
    write_anything(folder)
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensors[name] for name in list(tensors)[3:]}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(Incomplete, match="3 tensors are missing"):
        hint_of(scene(), "depth_anything_v2", readers=readers_of(tmp_path))
    (folder / "preprocessor_config.json").write_text('{"size": {"width": 3}}')
    write_anything(tmp_path / "other")
    (tmp_path / "other/model.safetensors").replace(folder / "model.safetensors")
    with pytest.raises(Mismatch, match="does not say how pictures are to be seen"):
        hint_of(scene(), "depth_anything_v2", readers=readers_of(tmp_path))


def test_a_pickled_folder_is_read_without_running_it(tmp_path: Path) -> None:
    folder = write_anything(tmp_path / "preprocessors/Depth-Anything-V2-Small-hf")
    safe = hint_of(scene(), "depth_anything_v2", readers=readers_of(tmp_path))
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert hint_of(scene(), "depth_anything_v2", readers=readers_of(tmp_path)).tobytes() == safe.tobytes()


def test_a_folder_is_told_from_a_model(tmp_path: Path) -> None:
    found = identify(write_anything(tmp_path / "d"))
    assert (found.kind, found.words) == ("preprocessor", "preprocessor's network, DepthAnythingForDepthEstimation")
    (tmp_path / "u2net").mkdir()
    (tmp_path / "u2net/a.onnx").write_bytes(b"x")
    assert (identify(tmp_path / "u2net/a.onnx").kind, identify(tmp_path / "u2net/a.onnx").words) == (
        "background",
        "background, ONNX",
    )


def test_the_sides_at_which_a_network_looks(tmp_path: Path) -> None:
    assert Look((518, 518), keeps=True, multiple=14).sides(640, 480) == (686, 518)
    assert Look((384, 384)).sides(640, 480) == (384, 384)
    assert Look((800, 1333), shorter=True).sides(2000, 500) == (1333, 333)
    (tmp_path / "look.json").write_text('{"size": {"shortest_edge": 64}}')
    assert read_look(tmp_path / "look.json").sides(100, 50) == (128, 64)
    (tmp_path / "look.json").write_text('{"size": 64, "max_size": 100}')
    assert read_look(tmp_path / "look.json").sides(100, 50) == (100, 50)
    (tmp_path / "look.json").write_text('{"size": 64}')
    assert read_look(tmp_path / "look.json").sides(100, 50) == (64, 64)
