"""Laws of every row adapter: it comes off clean, no act changes nothing, and rows led and not led share a forward."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from easel.adapters.control.reference import Reference
from easel.core.settings import read_settings
from easel.core.work import Act, Rows
from easel.engine.smaller import cut
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from tests.adapters.control.making import act, evaluated, picture, rows_of, stirred, told, write_controlnet
from tests.adapters.control.test_lite import tensors as lite_tensors
from tests.adapters.motion.making import moving
from tests.tiny import tiny as tiny
from tests.tiny import tiny_folder as tiny_folder
from tests.tiny_families import G, L, write_tiny_flux, write_tiny_sd3, write_tiny_sdxl

Made = tuple[Model, Rows, Act]
pytestmark = pytest.mark.filterwarnings("ignore:`FluxPosEmbed`:FutureWarning")  # diffusers warns of its own
PSNR = 80  # dB, by which rows in a batch may stray from each alone


def loaded(folder: Path) -> Model:
    """Load a folder in float32."""
    return load(identify(folder), read_settings(precision="float32"))


def controlnet(tiny: Model, folder: Path) -> Made:
    write_controlnet(folder / "edges", tiny)
    return tiny, rows_of(tiny, 3), act(folder / "edges", tiny, 0.75)


def regional(tiny: Model, folder: Path) -> Made:
    """A ControlNet that leads softly within a region, less so in outer blocks."""
    write_controlnet(folder / "edges", tiny)
    region = torch.zeros(1, 1, 64, 64)
    region[..., :32] = 1
    return tiny, rows_of(tiny, 3), act(folder / "edges", tiny, region=region, soft=True)


def union(tiny: Model, folder: Path) -> Made:
    xl = loaded(write_tiny_sdxl(folder / "xl"))
    write_controlnet(folder / "union", xl, union=True)
    return xl, rows_of(xl, 3, pooled=G), act(folder / "union", xl, kind="depth")


def features(tiny: Model, folder: Path) -> Made:
    from diffusers import T2IAdapter

    torch.manual_seed(3)
    net: Any = stirred(T2IAdapter(channels=[32, 64], num_res_blocks=1))
    net.save_pretrained(folder / "sketch")
    return tiny, rows_of(tiny, 3), act(folder / "sketch", tiny, 0.5)


def control_lora(tiny: Model, folder: Path) -> Made:
    chance = torch.Generator().manual_seed(2)
    file = {"lora_controlnet": torch.zeros(0)}
    layers = {"input_blocks.1.0.in_layers.2": (32, 32, 3, 3), "time_embed.0": (128, 32)}
    for name, shape in layers.items():
        file[f"{name}.up"] = torch.randn(shape[0], 4, *[1] * (len(shape) - 2), generator=chance)
        file[f"{name}.down"] = torch.randn(4, *shape[1:], generator=chance)
    for place, (wide, read) in enumerate(((4, 3), (4, 4), (8, 4), (8, 8), (8, 8), (8, 8), (16, 8), (32, 16))):
        file[f"input_hint_block.{2 * place}.weight"] = torch.randn(wide, read, 3, 3, generator=chance)
        file[f"input_hint_block.{2 * place}.bias"] = torch.zeros(wide)
    for name, width in (("zero_convs.0.0", 32), ("zero_convs.1.0", 32), ("zero_convs.2.0", 32), ("zero_convs.3.0", 64)):
        file[f"{name}.weight"], file[f"{name}.bias"] = torch.eye(width)[..., None, None], torch.zeros(width)
    file["middle_block_out.0.weight"], file["middle_block_out.0.bias"] = torch.eye(64)[..., None, None], torch.zeros(64)
    file["input_blocks.2.0.op.bias"] = torch.zeros(32)
    save_file(file, folder / "lora.safetensors")
    given = act(folder / "lora.safetensors", tiny, 0.2)
    return tiny, rows_of(tiny, 3), given


def lite(tiny: Model, folder: Path) -> Made:
    save_file(lite_tensors(), folder / "lite.safetensors")
    return tiny, rows_of(tiny, 3), act(folder / "lite.safetensors", tiny, 0.5)


def sd3(tiny: Model, folder: Path) -> Made:
    from diffusers import SD3ControlNetModel

    three: Any = loaded(write_tiny_sd3(folder / "three", t5=False))
    net: Any = SD3ControlNetModel.from_transformer(three.transformer, num_layers=1, num_extra_conditioning_channels=0)
    stirred(net).save_pretrained(folder / "edges")
    return three, rows_of(three, 3, pooled=L + G), act(folder / "edges", three, 0.5)


def flux(tiny: Model, folder: Path) -> Made:
    from diffusers import FluxControlNetModel

    schnell = loaded(write_tiny_flux(folder / "schnell", distilled=False))
    config: dict[str, Any] = {"attention_head_dim": 16, "num_attention_heads": 2, "joint_attention_dim": 40}
    config |= {"pooled_projection_dim": L, "num_layers": 1, "num_single_layers": 0, "axes_dims_rope": (4, 6, 6)}
    stirred(FluxControlNetModel(**config)).save_pretrained(folder / "edges")  # type: ignore[operator]
    return schnell, rows_of(schnell, 3, pooled=L), act(folder / "edges", schnell, 0.5)


def reference(tiny: Model, folder: Path) -> Made:
    adapter = Reference()
    seen = told(adapter.prepare(tiny, picture()))
    return tiny, rows_of(tiny, 3), Act(adapter, replace(seen, fidelity=0.25))


def look(tiny: Model, folder: Path) -> Made:
    """A reference that brings what layers give to its look."""
    adapter = Reference(attention=False, statistics=True)
    seen = told(adapter.prepare(tiny, picture()))
    return tiny, rows_of(tiny, 3), Act(adapter, replace(seen, fidelity=0.25))


def motion(tiny: Model, folder: Path) -> Made:
    """Each row a clip of one frame; tests/adapters/motion has longer ones."""
    adapter = moving(folder / "motion", tiny)
    return tiny, rows_of(tiny, 3), Act(adapter, *adapter.frames(tiny, 1))


ADAPTERS = (controlnet, regional, union, features, control_lora, lite, sd3, flux, reference, look, motion)


@pytest.fixture(scope="module", params=ADAPTERS, ids=lambda make: make.__name__)
def made(request: pytest.FixtureRequest, tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return request.param(tiny, tmp_path_factory.mktemp(request.param.__name__))


def strayed(one: Tensor, other: Tensor) -> float:
    """How alike two results are, in dB of the larger's greatest number."""
    error = (one.double() - other.double()).square().mean()
    peak = other.double().abs().max().square()
    return float("inf") if error == 0 else float(10 * torch.log10(peak / error))


def test_on_and_off_is_the_identity(made: Made) -> None:
    model, rows, given = made
    part = model.parts.get("unet", model.parts.get("transformer"))
    assert part is not None
    before, clean = traces(part), evaluated(model, rows)
    weights = {name: value.clone() for name, value in part.state_dict().items()}
    led = evaluated(model, replace(rows, acts=((given,),) * 3))
    assert (led - clean).abs().max() > 1e-4
    assert traces(part) == before
    assert torch.equal(evaluated(model, rows), clean)
    assert all(torch.equal(value, weights[name]) for name, value in part.state_dict().items())


def traces(part: nn.Module) -> list[Any]:
    return [
        (name, sorted(vars(one)), len(one._forward_hooks), len(one._forward_pre_hooks))
        for name, one in part.named_modules()
    ]


def test_rows_with_and_without_and_of_other_strengths_equal_each_alone(made: Made) -> None:
    model, rows, given = made
    first = given
    mixed = replace(rows, acts=((first,), (), (replace(first, strength=0.3),)))
    together = evaluated(model, mixed)
    alone = torch.cat([evaluated(model, row) for row in cut(mixed, 1)])
    assert strayed(together, alone) >= PSNR
    assert strayed(together[1], evaluated(model, rows)[1]) >= PSNR


def test_a_strength_of_next_to_nothing_changes_next_to_nothing(made: Made) -> None:
    """Who acts with none at all is left out before: recipes/acting.py."""
    model, rows, given = made
    if isinstance(given.adapter, Reference):
        weak = replace(given, prepared=replace(given.prepared, fidelity=1.0))  # its strength counts layers
    else:
        weak = replace(given, strength=1e-12)
    led = evaluated(model, replace(rows, acts=((weak,),) * 3))
    torch.testing.assert_close(led, evaluated(model, rows), rtol=1e-4, atol=1e-5)


def test_an_error_in_the_forward_leaves_nothing_behind(made: Made) -> None:
    model, rows, given = made
    part = model.parts.get("unet", model.parts.get("transformer"))
    assert part is not None
    before = traces(part)
    with pytest.raises(MemoryError), torch.inference_mode(), given.adapter.acting(model, rows, [given] * 3):
        raise MemoryError
    assert traces(part) == before
