"""Laws that every registered schedule obeys."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from easel.core.errors import BadValue, UnknownName, Unsupported
from easel.core.registry import Entry
from easel.sampling import Levels, samplers, schedules, sigmas_for
from easel.sampling.schedules import Schedule

ENTRIES = [pytest.param(entry, id=entry.name) for entry in schedules]
every = pytest.mark.parametrize("entry", ENTRIES)
MODELS = {
    "SD": Levels.from_betas(),
    "SDXL": Levels.from_betas(optimised="sdxl"),
    "zero terminal SNR": Levels.from_betas(rescale_betas_zero_snr=True),
    "cosine": Levels.from_betas(beta_schedule="squaredcos_cap_v2"),
    "short table": Levels.from_betas(num_train_timesteps=100),
    "flow": Levels.from_flow(),
    "shifted flow": Levels.from_flow(shift=3),
}


@every
@pytest.mark.parametrize("model", MODELS)
def test_falls_strictly_to_zero(entry: Entry[Schedule], model: str) -> None:
    levels = MODELS[model]
    if entry.name == "Align Your Steps" and not levels.table:
        with pytest.raises(Unsupported, match="flow"):
            sigmas_for(samplers["Euler"], 20, levels, entry.name)
        return
    everywhere = (
        range(1, 1001, 13 if entry.name == "Beta" else 1)
        if model == "SD"
        else (1, 2, 3, 10, 99, 100, 101, 333, 500, 501, 999, 1000)
    )
    for steps in everywhere:
        sigmas = sigmas_for(samplers["Euler"], steps, levels, entry.name)
        assert len(sigmas) == steps + 1
        assert sigmas[-1] == 0
        assert all(a > b for a, b in pairwise(sigmas))
        assert torch.tensor(sigmas).tolist() == list(sigmas)  # float32, as Brownian trees are asked
        assert sigmas[0] <= levels.sigma_max * (1 + 1e-6) or entry.name == "Align Your Steps"


@every
def test_options_are_checked(entry: Entry[Schedule]) -> None:
    with pytest.raises(UnknownName):
        sigmas_for(samplers["Euler"], 10, MODELS["SD"], entry.name, {"no_such_option": 1.0})
    plain = sigmas_for(samplers["Euler"], 10, MODELS["SD"], entry.name)
    for name, option in entry.options.items():
        other = sigmas_for(samplers["Euler"], 10, MODELS["SD"], entry.name, {name: option.default * 1.5})
        assert other != plain
        with pytest.raises(BadValue, match=name):
            sigmas_for(samplers["Euler"], 10, MODELS["SD"], entry.name, {name: -1.0})


@every
def test_narrowed_levels_are_kept_within(entry: Entry[Schedule]) -> None:
    if entry.name == "Align Your Steps":
        pytest.skip("its levels are a table of their own")
    for model in ("SD", "flow"):
        ends = {"sigma_min": 0.2, "sigma_max": 0.9}
        sigmas = sigmas_for(samplers["Euler"], 12, MODELS[model], entry.name, ends)
        assert 0.2 * (1 - 1e-5) <= sigmas[-2] < sigmas[0] <= 0.9 * (1 + 1e-5)


@pytest.mark.parametrize("steps", [0, -1, 1001, True, 2**70])
def test_steps_out_of_range_are_refused(steps: int) -> None:
    with pytest.raises(BadValue, match="steps"):
        sigmas_for(samplers["Euler"], steps, MODELS["SD"])


def test_automatic_is_the_samplers_own_on_tables_and_the_models_on_flow() -> None:
    def same(sampler: str, schedule: str, model: str) -> bool:
        levels, entry = MODELS[model], samplers[sampler]
        return sigmas_for(entry, 20, levels, "Automatic") == sigmas_for(entry, 20, levels, schedule)

    assert same("Euler", "Uniform", "SD")
    assert same("DPM++ 2M", "Karras", "SD")
    assert same("DPM++ 2M SDE", "Exponential", "SD")
    assert same("DPM++ 2M", "Simple", "flow")
    assert same("DPM fast", "Karras", "SD")  # no schedule matters to it


def test_the_penultimate_sigma_is_discarded_where_a1111_discards_it() -> None:
    whole = sigmas_for(samplers["DPM++ 2M"], 21, MODELS["SD"], "Karras")
    assert sigmas_for(samplers["DPM2"], 20, MODELS["SD"]) == (*whole[:-2], 0.0)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="nearest 'Karras'"):
        sigmas_for(samplers["Euler"], 20, MODELS["SD"], "karas")


@pytest.mark.parametrize("alias", ["karras", "exponential", "sgm_uniform", "simple", "normal", "ddim_uniform", "beta"])
def test_comfyui_names_are_aliases(alias: str) -> None:
    assert alias in schedules
