"""What people put beside a single file: A1111's NAME.yaml, and Easel's own NAME.easel.json.

The YAML is latent-diffusion's config, of which only model.params.parameterization is read. The JSON holds a model's
habits (width, height, steps, sampler, schedule, scale) and may name its prediction and say whether its noise schedule
ends in nothing but noise (zero_snr), which outweighs all else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from easel.core.errors import Incomplete, Mismatch
from easel.models.files.jsonfiles import read_json

LARGEST = 2**20  # bytes
PARAMETERIZATIONS = {"eps": "epsilon", "v": "v_prediction", "x0": "sample"}
PREDICTIONS = ("epsilon", "v_prediction", "sample")


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What stands beside a file. prediction: "" where nothing tells; told_by: the name of the file that does.

    zero_snr: whether the noise schedule ends in nothing but noise; None where nothing tells.
    """

    path: Path
    prediction: str = ""
    told_by: str = ""
    zero_snr: bool | None = None
    habits: Mapping[str, Any] = field(default_factory=dict[str, Any])


def read_sidecar(file: Path) -> Sidecar:
    """Return what stands beside a single file. Raises Incomplete or Mismatch naming what cannot be read."""
    own, config = file.with_name(f"{file.stem}.easel.json"), file.with_suffix(".yaml")
    habits = read_json(own) if own.is_file() else {}
    prediction, told_by = str(habits.pop("prediction", "")), own.name
    if prediction and prediction not in PREDICTIONS:
        raise Mismatch(f"{own}: prediction is {prediction[:60]!r}, allowed are {', '.join(PREDICTIONS)}.")
    zero_snr = habits.pop("zero_snr", None)
    if zero_snr is not None and not isinstance(zero_snr, bool):
        raise Mismatch(f"{own}: zero_snr is {str(zero_snr)[:60]!r}, allowed are true and false.")
    if not prediction and config.is_file():
        prediction, told_by = parameterization(config), config.name
    return Sidecar(own, prediction, told_by if prediction else "", zero_snr, habits)


def parameterization(file: Path) -> str:
    """Return what a latent-diffusion config says the model predicts, in diffusers' word; "" where it says nothing."""
    import yaml

    try:
        if file.stat().st_size > LARGEST:
            raise ValueError(f"larger than {LARGEST} bytes")
        found: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Incomplete(f"{file}: cannot be read as YAML ({reason}); mend it or take it away.") from None
    for key in ("model", "params", "parameterization"):
        found = found.get(key) if isinstance(found, Mapping) else None
    if found is None:
        return ""
    if found not in PARAMETERIZATIONS:
        raise Mismatch(f"{file}: parameterization is {str(found)[:60]!r}, allowed are {', '.join(PARAMETERIZATIONS)}.")
    return PARAMETERIZATIONS[found]
