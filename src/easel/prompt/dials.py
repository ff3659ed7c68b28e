"""What the two sliders of a preprocessor mean that A1111's ControlNet calls Threshold A and B. A table; draws nothing.

Names, bounds and usual values are that extension's; `option` is what the preprocessor of Easel calls the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from easel.core.limits import OptionValue


@dataclass(frozen=True, slots=True)
class Dial:
    """One slider. option: of the preprocessor. factor: what its number is multiplied by to be that option's."""

    option: str
    label: str
    usual: float
    least: float
    greatest: float
    step: float = 1
    factor: float = 1


FIDELITY = (Dial("fidelity", 'Style Fidelity (only for "Balanced" mode)', 0.5, 0, 1, 0.01),)
GAMMA = (Dial("gamma", "Gamma Correction", 1, 0.1, 2, 0.001),)
XDOG = (Dial("threshold", "XDoG Threshold", 32, 1, 64, factor=0.5),)  # there two levels of light count as one
RATE = (Dial("rate", "Down Sampling Rate", 1, 1, 8, 0.01),)
SIGMA = (Dial("sigma", "Sigma", 9, 0.01, 64, 0.01),)
NORMAL = (Dial("background", "Normal Background Threshold", 0.4, 0, 1, 0.01),)
DIALS: Mapping[str, tuple[Dial, ...]] = {
    "canny": (Dial("low", "Canny Low Threshold", 100, 1, 255), Dial("high", "Canny High Threshold", 200, 1, 255)),
    "mlsd": (
        Dial("score", "MLSD Value Threshold", 0.1, 0.01, 2, 0.01),
        Dial("distance", "MLSD Distance Threshold", 0.1, 0.01, 20, 0.01),
    ),
    "threshold": (Dial("level", "Binarization Threshold", 127, 0, 255),),
    **dict.fromkeys(("scribble_xdog", "scribble"), XDOG),
    **dict.fromkeys(("tile_resample", "tile"), RATE),
    **dict.fromkeys(("blur_gaussian", "blur"), SIGMA),
    **dict.fromkeys(("recolor_luminance", "recolour-luminance"), GAMMA),
    **dict.fromkeys(("recolor_intensity", "recolour-intensity"), GAMMA),
    **dict.fromkeys(("normal_midas", "normal-midas"), NORMAL),
    **dict.fromkeys(("reference_only", "reference"), FIDELITY),
}


WHOLE = ("none", "inpaint", "tile", "reference")  # preprocessors that begin so take a picture at its own size there


def takes_whole(module: str) -> bool:
    """Return whether A1111's ControlNet gives a preprocessor no resolution, whatever a unit says of one."""
    return module.strip().casefold().startswith(WHOLE)


def options_of(module: str, *thresholds: float) -> dict[str, OptionValue]:
    """Return what Threshold A and B say as options of a preprocessor; one below 0, or that it has not, says nothing."""
    dials = DIALS.get(module.strip().casefold(), ())
    return {dial.option: value * dial.factor for dial, value in zip(dials, thresholds, strict=False) if value >= 0}
