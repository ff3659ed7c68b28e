"""The alpha that peft's and diffusers' files leave to a config: beside the file, or in its metadata.

Of a LoRA with no alpha anywhere it is the rank. Knows JSON; knows no tensors.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from easel.adapters.networks.names import flat

METADATA = "lora_adapter_metadata"  # diffusers': peft's config of each part, "unet.lora_alpha" and so on
CONFIG = "adapter_config.json"  # peft's, beside adapter_model.safetensors

Alpha = Callable[[str, int], float | None]  # a layer's name in the file and its rank, to its alpha


def alpha_of(file: Path, metadata: Mapping[str, str]) -> Alpha:
    """Return what the configs of a file say about each layer's alpha."""
    configs = configs_of(metadata.get(METADATA, ""))
    beside = file.with_name(CONFIG)
    if not configs and file.stem == "adapter_model" and beside.is_file():
        configs = {"": config_of(beside.read_text(encoding="utf-8", errors="replace"))}

    def alpha(layer: str, rank: int) -> float | None:
        part = max((part for part in configs if layer.startswith(part)), key=len, default=None)
        return None if part is None else alpha_in(configs[part], layer, rank)

    return alpha


def alpha_in(config: Mapping[str, Any], layer: str, rank: int) -> float | None:
    """Return the alpha that one config of peft gives to a layer of this rank, None where it says nothing."""
    patterns = config.get("alpha_pattern")
    said: Any = config.get("lora_alpha", config.get("alpha"))
    for pattern, value in patterns.items() if isinstance(patterns, dict) else ():
        if re.search(rf"(^|[._]){re.escape(flat(str(pattern)))}$", flat(layer)):
            said = value
    if not isinstance(said, int | float) or isinstance(said, bool):
        return None
    return said * math.sqrt(rank) if config.get("use_rslora") is True else float(said)


def configs_of(text: str) -> dict[str, dict[str, Any]]:
    """Return the configs by part that diffusers packs into one JSON object with names such as "unet.lora_alpha"."""
    configs: dict[str, dict[str, Any]] = {}
    for name, value in config_of(text).items():
        part, _, field = name.partition(".")
        configs.setdefault(f"{part}.", {})[field] = value
    return configs


def config_of(text: str) -> dict[str, Any]:
    """Return a JSON object, empty for anything else."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}
