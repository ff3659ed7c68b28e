"""Levels, predictions and names: what stands between samplers and models."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from easel.core.errors import BadValue, UnknownName
from easel.sampling import FLOW, VE, Levels, samplers, schedules, split_joint_name
from easel.sampling.prediction import PREDICTIONS, prediction

MODELS = {
    "table": Levels.from_betas(),
    "flow": Levels.from_flow(),
    "shifted": Levels.from_flow(shift=3),
    "zero": Levels.from_betas(rescale_betas_zero_snr=True),
}


@pytest.mark.parametrize("model", MODELS)
def test_time_and_sigma_are_inverse(model: str) -> None:
    levels = MODELS[model]
    t = torch.linspace(1, 998, 400)
    assert torch.allclose(levels.time_of(levels.sigma_at(t)), t, atol=2e-2)
    assert torch.allclose(levels.time_of(levels.sigma_at(t).double()).float(), t, atol=2e-2)
    assert levels.time_of(levels.sigma_at(t).double()).dtype == torch.float64


def test_stable_diffusions_ends() -> None:
    levels = MODELS["table"]
    assert levels.sigma_min == pytest.approx(0.0291675, abs=1e-6)
    assert levels.sigma_max == pytest.approx(14.614643, abs=1e-5)
    beyond = torch.tensor([0.001, 500.0])
    assert levels.time_of(beyond).tolist() == [0.0, 999.0]


def test_networks_are_told_their_own_time() -> None:
    sigma = torch.tensor([1.0, 0.5, 0.25], dtype=torch.float64)
    assert MODELS["shifted"].timestep(sigma).tolist() == [1000.0, 500.0, 250.0]
    assert torch.equal(MODELS["table"].timestep(sigma), MODELS["table"].time_of(sigma))


def test_unknown_betas_and_bad_shift_are_refused() -> None:
    with pytest.raises(UnknownName, match="beta schedule"):
        Levels.from_betas(beta_schedule="cosine")
    with pytest.raises(BadValue, match="shift"):
        Levels.from_flow(shift=0)


@pytest.mark.parametrize("name", [name for name in PREDICTIONS if name != "flow"])
def test_a_right_prediction_gives_x0_back(name: str) -> None:
    clean, noise = (torch.randn((3, 4, 8, 8), generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    sigma = torch.tensor([0.03, 1.0, 14.6], dtype=torch.float64)
    s = sigma.float().reshape(-1, 1, 1, 1)
    x = clean + s * noise
    output = {"epsilon": noise, "v_prediction": (noise - s * clean) / (1 + s**2).sqrt(), "sample": clean}[name]
    kind = prediction(name)
    assert torch.allclose(kind.denoised(output, x, sigma), clean, atol=1e-5)
    assert torch.allclose(kind.input(x, sigma), x / (1 + s**2).sqrt(), atol=1e-6)
    assert kind.denoised(output.bfloat16(), x, sigma).dtype == torch.float32


def test_flow_prediction() -> None:
    clean, noise = torch.ones((2, 1, 2, 2)), torch.full((2, 1, 2, 2), -2.0)
    sigma = torch.tensor([1.0, 0.25])
    s = sigma.reshape(-1, 1, 1, 1)
    x = (1 - s) * clean + s * noise
    assert torch.allclose(prediction("flow").denoised(noise - clean, x, sigma), clean)
    assert prediction("flow").input(x, sigma) is x
    with pytest.raises(UnknownName, match="prediction type"):
        prediction("eps")


def test_paths() -> None:
    for path in (VE, FLOW):
        for sigma in (0.01, 0.3, 0.99):
            assert path.sigma(path.lam(sigma)) == pytest.approx(sigma, rel=1e-12)
            assert path.sigma_of_ratio(path.ratio(sigma)) == pytest.approx(sigma, rel=1e-12)
    assert FLOW.lam(1.0) == -float("inf") and FLOW.sigma(-float("inf")) == 1.0
    assert FLOW.lam(0.0) == VE.lam(0.0) == float("inf")


@pytest.mark.parametrize(
    "name, expected",
    [
        ("DPM++ 2M Karras", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M SDE Exponential", ("DPM++ 2M SDE", "Exponential")),
        ("DPM++ 2M SDE Heun", ("DPM++ 2M SDE Heun", None)),
        ("DPM++ 2M SDE Heun Karras", ("DPM++ 2M SDE Heun", "Karras")),
        ("k_dpmpp_2m_ka", ("DPM++ 2M", "Karras")),
        ("dpm2 a karras", ("DPM2 a", "Karras")),
        ("Euler a", ("Euler a", None)),
        ("k_euler_a", ("Euler a", None)),
    ],
)
def test_old_joint_names(name: str, expected: tuple[str, str | None]) -> None:
    assert split_joint_name(name) == expected


def test_unknown_joint_names_are_refused() -> None:
    for name in ("Karras", "Nope Karras", ""):
        with pytest.raises(UnknownName):
            split_joint_name(name)


def test_every_name_of_the_peers_is_known() -> None:
    a1111 = (
        "DPM++ 2M,DPM++ SDE,DPM++ 2M SDE,DPM++ 2M SDE Heun,DPM++ 2S a,DPM++ 3M SDE,Euler a,Euler,LMS,Heun,DPM2,DPM2 a,"
        "DPM fast,DPM adaptive,Restart,DDIM,DDIM CFG++,PLMS,UniPC,LCM,HeunPP2,IPNDM,IPNDM_V,DEIS,DDPM,"
        "k_dpmpp_2m,k_dpmpp_sde,k_dpmpp_2m_sde,k_dpmpp_2m_sde_heun,k_dpmpp_2s_a,k_dpmpp_3m_sde,k_euler_a,"
        "k_euler_ancestral,k_euler,k_lms,k_heun,k_dpm_2,k_dpm_2_a,k_dpm_fast,k_dpm_ad,restart,ddim,ddim_cfgpp,plms,"
        "unipc,k_lcm"
    )
    comfyui = (
        "euler,euler_cfg_pp,euler_ancestral,heun,heunpp2,dpm_2,dpm_2_ancestral,lms,dpm_fast,dpm_adaptive,"
        "dpmpp_2s_ancestral,dpmpp_sde,dpmpp_sde_gpu,dpmpp_2m,dpmpp_2m_sde,dpmpp_2m_sde_gpu,dpmpp_2m_sde_heun,"
        "dpmpp_2m_sde_heun_gpu,dpmpp_3m_sde,dpmpp_3m_sde_gpu,ddpm,lcm,ipndm,ipndm_v,deis,res_multistep,"
        "res_multistep_ancestral,er_sde,ddim,uni_pc,uni_pc_bh2"
    )
    assert all(name in samplers for name in f"{a1111},{comfyui}".split(","))
    labels = "automatic,uniform,karras,exponential,polyexponential,sgm_uniform,SGMUniform,kl_optimal,align_your_steps"
    labels += ",simple,normal,ddim,ddim_uniform,beta,linear_quadratic,turbo"
    assert all(name in schedules for name in labels.split(","))


def test_listing_needs_no_torch() -> None:
    code = "import sys, easel.sampling as s; assert len(s.samplers) > 25; print({'torch', 'numpy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
