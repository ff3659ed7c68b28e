"""Laws that every registered sampler obeys."""

from __future__ import annotations

import inspect
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from easel.core.errors import BadValue, UnknownName
from easel.core.registry import Entry
from easel.sampling import FLOW, VE, Levels, PictureNoise, noise_for, samplers, sampling, schedules, sigmas_for
from easel.sampling.samplers import Sampler
from tests.sampling.denoisers import MIXTURE, answer, counted, difference, geometric, on_path, run

SHAPE = (2, 4, 8, 8)
TABLE, FLOWING = Levels.from_betas(), Levels.from_flow(shift=3)
ENTRIES = [pytest.param(entry, id=entry.name) for entry in samplers]
every = pytest.mark.parametrize("entry", ENTRIES)


def drawn(entry: Entry[Sampler], seeds: tuple[int, ...], levels: Levels, steps: int) -> Any:
    """Return the generator of a whole sampling from these seeds."""
    sigmas = sigmas_for(entry, steps, levels)
    pictures = PictureNoise(seeds, SHAPE[1:])
    x = pictures.draw() * sigmas[0]
    return sampling(entry, levels.path, x, sigmas, noise_for(entry, pictures, sigmas))


def finished(entry: Entry[Sampler], seeds: tuple[int, ...], levels: Levels, steps: int) -> Tensor:
    return run(drawn(entry, seeds, levels, steps), on_path(levels.path))


@pytest.fixture(scope="module")
def solution() -> tuple[Tensor, Tensor]:
    """Noise and where the ODE takes it from sigma 80 to 0.1, by 600 steps of Runge and Kutta."""
    noise = torch.randn((1, 1, 8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    sigmas = geometric(80, 0.1, 600)
    x = noise * sigmas[0]

    def slope(x: Tensor, s: float) -> Tensor:
        return (x - MIXTURE(x, s)) / s

    for a, b in pairwise(sigmas):
        h = b - a
        k_1 = slope(x, a)
        k_2 = slope(x + h / 2 * k_1, a + h / 2)
        k_3 = slope(x + h / 2 * k_2, a + h / 2)
        x = x + h / 6 * (k_1 + 2 * k_2 + 2 * k_3 + slope(x + h * k_3, b))
    return noise, x


@every
def test_converges_at_its_order(entry: Entry[Sampler], solution: tuple[Tensor, Tensor]) -> None:
    noise, expected = solution
    options: dict[str, Any] = {"eta": 0.0} if "eta" in entry.options else {}
    if entry.facts["stochastic"] and not options:
        pytest.skip("it has no form without noise")
    errors: list[float] = []
    for steps in (53, 107):  # 2 modulo 3, so that DPM fast ends in second order
        sigmas = geometric(80, 0.1, steps)
        end = expected
        if entry.facts["own_levels"]:  # they end at the last level above zero
            sigmas = [*geometric(80, 0.1, steps - 1), 0.0]
        if entry.name.startswith("UniPC"):  # it ends in first order, which is exact into the clean picture
            sigmas, end = [*sigmas, 0.0], MIXTURE(expected, 0.1)
        if entry.name == "DPM adaptive":
            options |= {"rtol": 4 / steps**2, "atol": 1e-6, "order": 2}
        generator = sampling(entry, VE, noise * sigmas[0], sigmas, counted(noise.shape, dtype=torch.float64), options)
        errors.append(difference(run_as_one(generator), end))
    if entry.facts["shares_steps"]:  # it has a tolerance and no order in steps
        assert errors[1] < 5e-4
        return
    assert math.log2(errors[0] / errors[1]) > entry.facts["order"] - 0.3
    assert errors[1] < {1: 2e-2, 2: 5e-4, 3: 1e-4, 4: 1e-4}[entry.facts["order"]]


def run_as_one(generator: Any) -> Tensor:
    """Run a sampler whose unconditional denoiser, where asked, is the conditional one."""
    try:
        evaluation = next(generator)
        while True:
            denoised = MIXTURE(evaluation.x, evaluation.sigma)
            evaluation = generator.send((denoised, denoised) if evaluation.unconditional else denoised)
    except StopIteration as end:
        return end.value


@every
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 24, 40])
def test_on_flow_is_the_same_rescaled(entry: Entry[Sampler], steps: int) -> None:
    """x / (1 + s) at s / (1 + s) on the flow path goes to the same x0 as x at s, with the same noise."""
    sigmas = sigmas_for(entry, steps, TABLE)
    shrunk = [s / (1 + s) for s in sigmas]
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    exploding, flowing = (
        run(sampling(entry, path, noise * levels[0], levels, counted(SHAPE, dtype=torch.float64)), on_path(path))
        for path, levels in ((VE, sigmas), (FLOW, shrunk))
    )
    assert difference(flowing, exploding) < 1e-12


@every
@pytest.mark.parametrize("levels", [TABLE, FLOWING], ids=["table", "flow"])
@pytest.mark.parametrize("steps", [1, 2, 3, 21, 37])
def test_ends_finite_from_pure_noise(entry: Entry[Sampler], levels: Levels, steps: int) -> None:
    out = finished(entry, (5, 6), levels, steps)
    assert out.shape == SHAPE and out.dtype == torch.float32
    assert bool(out.isfinite().all())


@every
def test_lands_in_the_mixture(entry: Entry[Sampler]) -> None:
    """On both paths 30 steps end within the mixture: as spread as it is, and where it is."""
    for levels in (TABLE, FLOWING):
        sigmas = sigmas_for(entry, 30, levels)
        pictures = PictureNoise((5, 6), SHAPE[1:])
        x = pictures.draw() * sigmas[0]
        generator = sampling(entry, levels.path, x, sigmas, noise_for(entry, pictures, sigmas))
        denoiser = on_path(levels.path)
        try:
            evaluation = next(generator)
            while True:
                denoised = denoiser(evaluation.x, evaluation.sigma)
                evaluation = generator.send((denoised, denoised) if evaluation.unconditional else denoised)
        except StopIteration as end:
            out: Tensor = end.value
        assert abs(float(out.mean()) - MEAN) < 0.15
        assert 0.6 * SPREAD < float(out.std()) < 1.2 * SPREAD


MEAN = sum(w * m for w, m in zip(MIXTURE.weights, MIXTURE.means, strict=True))
SPREAD = math.sqrt(
    sum(
        w * (d * d + (m - MEAN) ** 2)
        for w, m, d in zip(MIXTURE.weights, MIXTURE.means, MIXTURE.deviations, strict=True)
    )
)


@every
def test_same_seed_same_bits_and_alone_is_as_in_a_batch(entry: Entry[Sampler]) -> None:
    together = finished(entry, (5, 6), TABLE, 7)
    assert torch.equal(together, finished(entry, (5, 6), TABLE, 7))
    if entry.facts["shares_steps"]:
        pytest.skip("its steps are those of the whole batch, as its facts say")
    for i, seed in enumerate((5, 6)):
        assert torch.equal(together[i : i + 1], finished(entry, (seed,), TABLE, 7))


def test_interleaved_is_as_alone() -> None:
    """All samplers advance in turn, two of each; no state is shared."""
    alone = [finished(entry, (seed,), TABLE, 5) for entry in samplers for seed in (1, 2)]
    running = {
        i: drawn(entry, (seed,), TABLE, 5) for i, (entry, seed) in enumerate((e, s) for e in samplers for s in (1, 2))
    }
    waiting = {i: next(generator) for i, generator in running.items()}
    done: dict[int, Tensor] = {}
    while waiting:
        for i, evaluation in list(waiting.items()):
            try:
                waiting[i] = running[i].send(answer(evaluation, MIXTURE))
            except StopIteration as end:
                done[i] = end.value
                del waiting[i]
    assert all(torch.equal(done[i], expected) for i, expected in enumerate(alone))


@every
def test_closing_is_clean_at_any_yield(entry: Entry[Sampler]) -> None:
    count = 0
    generator = drawn(entry, (1,), TABLE, 4)
    evaluation = next(generator)
    while True:
        count += 1
        try:
            evaluation = generator.send(answer(evaluation, MIXTURE))
        except StopIteration:
            break
    for place in range(min(count, 12)):
        generator = drawn(entry, (1,), TABLE, 4)
        evaluation = next(generator)
        for _ in range(place):
            evaluation = generator.send(answer(evaluation, MIXTURE))
        generator.close()
        with pytest.raises(StopIteration):
            next(generator)


@every
def test_a_denoiser_gone_wrong_does_not_hang_it(entry: Entry[Sampler]) -> None:
    out = run(drawn(entry, (1,), TABLE, 8), lambda x, _: x * math.nan)
    assert out.shape == (1, *SHAPE[1:])


@every
def test_evaluations_are_as_the_facts_say(entry: Entry[Sampler]) -> None:
    seen: list[Any] = []
    generator = drawn(entry, (1, 2), TABLE, 10)
    evaluation = next(generator)
    try:
        while True:
            seen.append(evaluation)
            evaluation = generator.send(answer(evaluation, MIXTURE))
    except StopIteration:
        pass
    assert all(one.unconditional == entry.facts["pair"] for one in seen)
    assert all(isinstance(one.sigma, float) and one.sigma > 0 and one.x.shape == SHAPE for one in seen)
    if not entry.facts["own_levels"]:
        assert (len(seen) > 11) == entry.facts["second_order"]


@every
def test_draws_noise_only_where_the_facts_say(entry: Entry[Sampler]) -> None:
    draws = 0
    source = counted(SHAPE)

    def noise(sigma: float, sigma_next: float) -> Tensor:
        nonlocal draws
        draws += 1
        return source()

    sigmas = sigmas_for(entry, 24, TABLE)
    run(sampling(entry, VE, torch.ones(SHAPE) * sigmas[0], sigmas, noise), MIXTURE)
    assert (draws > 0) == entry.facts["stochastic"]
    assert entry.facts["stochastic"] <= (entry.facts["noise"] != "none")


@every
def test_every_option_does_something(entry: Entry[Sampler]) -> None:
    """An option away from its default changes the picture (where its company lets it); others are refused."""
    plain = finished(entry, (5, 6), TABLE, 24)  # from 20 steps on Restart restarts
    changed: dict[str, Any] = {
        "order": 2,
        "solver": "heun",
        "variant": "bh2",
        "mode": "logrho",
        "r": 0.3,
        "h_init": 0.2,
        "accept_safety": 0.5,
    }
    company = {"s_tmin": {"s_churn": 5.0}, "s_tmax": {"s_churn": 5.0}, "s_noise": {"s_churn": 5.0}}
    for name, option in entry.options.items():
        with_it = {key: value for key, value in company.get(name, {}).items() if key in entry.options}
        if name == "s_noise" and "eta" in entry.options:
            with_it["eta"] = 1.0
        value = changed[name] if name in changed else option.default + 0.5 if option.default else 1.0
        for_comparison = plain if not with_it else sampled(entry, with_it)
        assert not torch.equal(sampled(entry, with_it | {name: value}), for_comparison), name
    with pytest.raises(UnknownName):
        sampled(entry, {"no_such_option": 1.0})


def sampled(entry: Entry[Sampler], options: dict[str, Any]) -> Tensor:
    sigmas = sigmas_for(entry, 24, TABLE)
    pictures = PictureNoise((5, 6), SHAPE[1:])
    x = pictures.draw() * sigmas[0]
    return run(sampling(entry, VE, x, sigmas, noise_for(entry, pictures, sigmas), options), MIXTURE)


@every
def test_options_out_of_range_are_refused(entry: Entry[Sampler]) -> None:
    for name, option in entry.options.items():
        limits = entry.facts["limits"][name]
        wrong = "no such word" if isinstance(option.default, str) else type(option.default)(limits[1] + 1)
        with pytest.raises(BadValue, match=name):
            sampled(entry, {name: wrong})


@every
def test_is_well_registered(entry: Entry[Sampler]) -> None:
    assert inspect.isgeneratorfunction(entry.make)
    assert entry.make.__doc__
    assert f"| {entry.name} |" in (Path(__file__).parents[2] / "docs" / "sampling.md").read_text(encoding="utf-8")
    assert entry.facts["schedule"] is None or entry.facts["schedule"] in schedules
    assert entry.aliases and all(samplers[alias].name == entry.name for alias in entry.aliases)
