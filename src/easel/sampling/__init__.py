"""Floor 1: the mathematics of sampling; knows nothing of models, devices or batching.

Importing it loads neither torch nor numpy, so that doors can list samplers and schedules at once.
"""

from easel.sampling import dpmpp, onestep
from easel.sampling.guidance import Guide, Layout, guide_for
from easel.sampling.levels import Levels
from easel.sampling.noise import PictureNoise, noise_for
from easel.sampling.path import FLOW, VE, Evaluation, Path
from easel.sampling.samplers import Noise, Sampler, samplers
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
    "guide_for",
    "noise_for",
    "samplers",
    "schedules",
    "sigmas_for",
]

registering = (dpmpp, onestep)
