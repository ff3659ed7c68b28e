"""Floor 1: the mathematics of sampling; knows nothing of models, devices or batching.

Importing it loads neither torch nor numpy, so that doors can list samplers and schedules at once.
"""

from easel.sampling import adams, distilled, dpm, dpmpp, exponential, heun, onestep, unipc
from easel.sampling.guidance import Guide, Layout, guide_for
from easel.sampling.levels import Levels
from easel.sampling.noise import PictureNoise, noise_for
from easel.sampling.path import FLOW, VE, Evaluation, Path
from easel.sampling.samplers import Noise, Sampler, checked_options, samplers, sampling, split_joint_name
from easel.sampling.schedules import schedules, sigmas_for

__all__ = [
    "FLOW",
    "VE",
    "Evaluation",
    "Guide",
    "Layout",
    "Levels",
    "Noise",
    "Path",
    "PictureNoise",
    "Sampler",
    "checked_options",
    "guide_for",
    "noise_for",
    "samplers",
    "sampling",
    "schedules",
    "sigmas_for",
    "split_joint_name",
]

registering = (onestep, heun, dpmpp, dpm, adams, unipc, exponential, distilled)
