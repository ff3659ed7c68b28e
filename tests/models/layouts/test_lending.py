"""Parts from other files: each family made whole from parts alone, from other models, from folders; and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from easel.core.errors import Incomplete, Mismatch
from easel.models.layouts.identify import identify
from easel.models.layouts.lending import parts_to_lend, with_parts
from easel.models.layouts.sources import Source, source_of
from tests.layouts import flux, sd3, text, xl
from tests.layouts.text import within
from tests.ldm import SMALL_1, Shapes, checkpoint_shapes, filled, unet_shapes, vae_shapes, write_ldm
from tests.models.layouts import published as said
from tests.tiny_families import write_tiny_flux, write_tiny_sdxl

FEW = 600  # words of a small vocabulary


def few(shapes: Shapes) -> Shapes:
    """Return shapes with a small vocabulary."""
    return {name: (FEW, *shape[1:]) if shape[:1] == (49408,) else shape for name, shape in shapes.items()}


def written(tmp_path: Path, name: str, shapes: Shapes, seed: int = 0) -> Source:
    return source_of(identify(write_ldm(tmp_path / f"{name}.safetensors", filled(few(shapes), seed))))


def tensor(source: Source, part: str, name: str) -> Tensor:
    """Return one tensor of a part."""
    found = source.tensors(part)[name]
    assert isinstance(found, Tensor)
    return found


def assert_fills(source: Source, part: str) -> None:
    """Hold a part's tensors against the module that its config makes."""
    ours = {name: tuple(weight.shape) for name, weight in source.tensors(part).items()}
    assert ours == said.wanted(said.module_for(source.config(part)))


def test_another_vae_is_scaled_as_the_family_does(tmp_path: Path) -> None:
    base = written(tmp_path, "xl", xl.xl_shapes(xl.SMALL_BASE))
    vae = written(tmp_path, "vae", vae_shapes(SMALL_1), seed=1)
    made = with_parts(base, {"vae": vae})
    assert (vae.config("vae")["scaling_factor"], made.config("vae")["scaling_factor"]) == (0.18215, 0.13025)
    assert torch.equal(tensor(made, "vae", "quant_conv.weight"), tensor(vae, "vae", "quant_conv.weight"))
    assert not torch.equal(tensor(made, "vae", "quant_conv.weight"), tensor(base, "vae", "quant_conv.weight"))
    assert (made.where("vae"), made.where("unet")) == (vae.files[0], base.files[0])
    assert (made.files, made.habits, made.schedule) == (base.files, base.habits, base.schedule)
    assert made.names("vae")["encoder.mid_block.attentions.0.to_q.weight"] == "encoder.mid.attn_1.q.weight"


def test_flux_from_four_files(tmp_path: Path) -> None:
    """As Forge's and ComfyUI's users keep it: transformer, ae, clip_l and t5xxl."""
    size = flux.SMALL_DEV
    transformer = written(tmp_path, "flux1-dev", flux.flux_shapes(size))
    lent = {
        "vae": written(tmp_path, "ae", vae_shapes(size.latent)),
        "text_encoder": written(tmp_path, "clip_l", text.clip(size.text)),
        "text_encoder_2": written(tmp_path, "t5xxl", text.t5(size.t5)),
    }
    made = with_parts(transformer, lent)
    for part, lender in lent.items():
        assert parts_to_lend(lender, transformer) == (part,)
        assert not transformer.has(part)
        assert_fills(made, part)
    assert_fills(made, "transformer")
    assert made.config("vae")["shift_factor"] == 0.1159
    with pytest.raises(Incomplete, match="has no autoencoder"):
        transformer.config("vae")


def test_3_takes_its_encoders_from_other_files(tmp_path: Path) -> None:
    size = sd3.SMALL_MEDIUM
    base = written(tmp_path, "sd3", sd3.sd3_checkpoint(size, encoders=False))
    second = within("text_encoders.clip_g.transformer.", text.clip(size.other))
    lent = {
        "text_encoder": written(tmp_path, "clip_l", text.clip(size.first)),
        "text_encoder_2": written(tmp_path, "clip_g", second),
        "text_encoder_3": written(tmp_path, "t5xxl", text.t5(size.t5, twice=True)),
    }
    made = with_parts(base, lent)
    for part in ("transformer", "vae", *lent):
        assert_fills(made, part)
    assert torch.equal(tensor(made, "text_encoder", "text_projection.weight"), torch.eye(size.first.width))


def test_whole_models_lend_what_others_can_read(tmp_path: Path) -> None:
    """Another family's checkpoint lends its VAE and the text encoder of the same kind, by the borrower's part names."""
    first = written(tmp_path, "sd", checkpoint_shapes(SMALL_1))
    base = written(tmp_path, "xl", xl.xl_shapes(xl.SMALL_BASE), seed=1)
    assert parts_to_lend(base, first) == ("text_encoder", "vae")
    assert parts_to_lend(first, base) == ("text_encoder", "vae")
    made = with_parts(first, {"text_encoder": base, "vae": base})
    assert made.config("vae")["scaling_factor"] == 0.18215
    assert_fills(made, "text_encoder")
    third = written(tmp_path, "sd3", sd3.sd3_checkpoint(sd3.SMALL_MEDIUM, third=False), seed=2)
    assert parts_to_lend(third, base) == ("text_encoder", "text_encoder_2")
    assert_fills(with_parts(base, {"text_encoder_2": third}), "text_encoder_2")
    refiner = written(tmp_path, "refiner", xl.xl_shapes(xl.SMALL_REFINER))
    assert parts_to_lend(base, refiner) == ("text_encoder_2", "unet", "vae")


def test_a_denoiser_alone_takes_the_rest_from_a_model(tmp_path: Path) -> None:
    whole = written(tmp_path, "sd", checkpoint_shapes(SMALL_1))
    alone = written(tmp_path, "unet", unet_shapes(SMALL_1), seed=5)
    made = with_parts(whole, {"unet": alone})
    assert torch.equal(tensor(made, "unet", "conv_in.weight"), tensor(alone, "unet", "conv_in.weight"))
    other = with_parts(alone, {"text_encoder": whole, "vae": whole})
    assert torch.equal(tensor(other, "vae", "quant_conv.bias"), tensor(whole, "vae", "quant_conv.bias"))
    assert (other.files, other.family) == (alone.files, "sd")


def test_folders_lend_and_borrow(tmp_path: Path) -> None:
    folder = source_of(identify(write_tiny_sdxl(tmp_path / "folder")))
    file = written(tmp_path, "xl", xl.xl_shapes(xl.SMALL_BASE))
    made = with_parts(file, {"vae": folder})
    assert all(torch.equal(tensor(made, "vae", name), tensor(folder, "vae", name)) for name in folder.tensors("vae"))
    assert made.where("vae") == tmp_path / "folder" / "vae" / "diffusion_pytorch_model.safetensors"
    part = source_of(identify(tmp_path / "folder" / "vae"))
    assert parts_to_lend(part, file) == ("vae",)
    assert with_parts(file, {"vae": part}).config("vae") == folder.config("vae")
    first = written(tmp_path, "sd", checkpoint_shapes(SMALL_1))
    assert parts_to_lend(folder, first) == ("text_encoder", "vae")
    reader = with_parts(first, {"text_encoder": folder}).reader("text_encoder")
    assert len(reader.tokenizer) == len(folder.reader("text_encoder").tokenizer)
    borrowing = with_parts(folder, {"vae": file})
    assert_fills(borrowing, "vae")
    assert borrowing.has("unet")


def test_a_text_encoder_s_folder_stands_alone(tmp_path: Path) -> None:
    write_tiny_flux(tmp_path / "flux")
    transformer = written(tmp_path, "dev", flux.flux_shapes(flux.SMALL_DEV))
    for part, variant in (("text_encoder", "CLIP-L"), ("text_encoder_2", "T5"), ("vae", "16 channels")):
        identity = identify(tmp_path / "flux" / part)
        assert (identity.kind, identity.variant) == (part.removesuffix("_2"), variant)
        assert parts_to_lend(source_of(identity), transformer) == (part,)
    t5 = source_of(identify(tmp_path / "flux" / "text_encoder_2"))
    tensors = with_parts(transformer, {"text_encoder_2": t5}).tensors("text_encoder_2")
    assert tensors["encoder.embed_tokens.weight"] is tensors["shared.weight"]
    assert identify(tmp_path / "flux" / "transformer").words == "transformer alone, flux dev"


@pytest.mark.parametrize(
    ("part", "shapes", "words"),
    [
        ("vae", vae_shapes(flux.SMALL_DEV.latent), r"has no autoencoder \(VAE\) that Stable Diffusion 1\.x can read"),
        ("unet", unet_shapes(xl.SMALL_BASE.build), r"has no U-Net that Stable Diffusion 1\.x can read"),
        ("text_encoder", text.t5(text.SMALL_T5), r"has no text encoder that Stable Diffusion 1\.x can read"),
        ("text_encoder_2", text.t5(text.SMALL_T5), r"Stable Diffusion 1\.x has no text_encoder_2"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, part: str, shapes: Shapes, words: str) -> None:
    source = written(tmp_path, "sd", checkpoint_shapes(SMALL_1))
    lender = written(tmp_path, "lent", shapes)
    with pytest.raises(Mismatch, match=words) as caught:
        with_parts(source, {part: lender})
    assert "lent.safetensors" in str(caught.value)
