"""Control models at tiny size with random weights, written as diffusers would, and how a hint is made ready by one."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from easel.adapters.control.loading import load_control
from easel.adapters.control.prepared import Hint
from easel.core.work import Act, Evaluate, Rows
from easel.engine.runner import perform
from easel.models.family import Model

HINT = (4, 8, 8, 16)  # channels of what reads the hint


def stirred(module: nn.Module, seed: int = 1) -> Any:
    """Give weights that are zeros random numbers, so that what a control model gives is felt."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.abs().max():
                parameter.copy_(torch.randn(parameter.shape, generator=chance) * 0.1)
    return module.eval()


def write_controlnet(folder: Path, model: Model, *, union: bool = False, seed: int = 1, **more: Any) -> Path:
    """Write a ControlNet of a model's U-Net, or a union of them."""
    from diffusers import ControlNetModel, ControlNetUnionModel

    torch.manual_seed(seed)
    unet: Any = model.parts["unet"]
    if not union:
        made: Any = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=HINT)
        made.register_to_config(**more)
    else:
        keys = ("block_out_channels", "down_block_types", "layers_per_block", "cross_attention_dim", "norm_num_groups")
        keys += ("attention_head_dim", "use_linear_projection", "transformer_layers_per_block", "addition_embed_type")
        keys += ("addition_time_embed_dim", "projection_class_embeddings_input_dim")
        config = {key: unet.config[key] for key in keys}
        config |= {"num_control_type": 6, "num_trans_channel": 32, "num_trans_head": 4, "num_proj_channel": 32}
        made = ControlNetUnionModel(**{**config, "conditioning_embedding_out_channels": HINT, **more})
    stirred(made, seed).save_pretrained(folder)
    return folder


def told(work: Generator[Any, Any, Any]) -> Any:
    """Do all work that a generator asks for and return what it returns; raises what the work raises."""
    outcome: Any = None
    while True:
        try:
            asked = work.send(outcome)
        except StopIteration as stop:
            return stop.value
        (outcome,) = perform([asked])
        if isinstance(outcome, Exception):
            raise outcome


def picture(height: int = 64, width: int = 64, seed: int = 5) -> Tensor:
    """Random pixels, (1, 3, height, width) in 0..1."""
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def act(path: Path, model: Model, strength: float = 1.0, pixels: Tensor | None = None, **hint: Any) -> Act:
    """Load a control model and return its act with a hint, random pixels where none are given."""
    return act_of(load_control(path, model.machine).fitted(model), model, strength, pixels, **hint)


def act_of(adapter: Any, model: Model, strength: float = 1.0, pixels: Tensor | None = None, **hint: Any) -> Act:
    """Return the act of a control model that is loaded."""
    prepared = told(adapter.prepare(model, Hint(picture() if pixels is None else pixels, **hint)))
    return Act(adapter, prepared, strength)


def rows_of(
    model: Model, count: int = 2, sides: tuple[int, int] = (8, 8), *, pooled: int = 0, tokens: int = 77, **more: Any
) -> Rows:
    """Random rows of different noise, words and latents."""
    chance = torch.Generator().manual_seed(4)
    part: Any = model.parts.get("unet", model.parts.get("transformer"))
    wide = part.config.get("cross_attention_dim") or part.config.joint_attention_dim
    x = torch.randn(count, model.latent.channels, *sides, generator=chance)
    context = torch.randn(count, tokens, wide, generator=chance)
    extra = {"pooled": torch.randn(count, pooled, generator=chance)} if pooled else {}
    most = 0.9 if model.path.name == "flow" else 3.0
    return Rows(x, torch.linspace(0.3, most, count, dtype=torch.float64), context, extra, **more)


def evaluated(model: Model, rows: Rows) -> Tensor:
    """Return what a model makes of rows."""
    (outcome,) = perform([Evaluate(model, rows)])
    if not isinstance(outcome, Tensor):
        raise outcome
    return outcome
