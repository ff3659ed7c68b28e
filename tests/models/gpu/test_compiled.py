"""Compiled forwards: equal to the part's, made aside, given up without a failed picture."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from easel.models.gpu.choosing import compiled_on, fetched, forwards_on
from easel.models.gpu.compiled import ASIDE, AT_ONCE, REGIONS, WHOLE, Compiled, artefacts_folder, keep_artefacts
from easel.models.gpu.forwards import Forwards
from easel.models.gpu.inputs import Inputs
from tests.models.gpu.parts import conv_of, read_by_unet, small

QUICK = "eager"  # traces as the real one does, and writes no code


@pytest.fixture(autouse=True)
def apart() -> Iterator[None]:
    """Nothing compiled before is found again, and logs are as loud as for people."""
    torch._dynamo.reset()
    counters.clear()
    with torch.inference_mode():
        yield
    torch._dynamo.reset()


def traced() -> int:
    """How many graphs dynamo has made."""
    return counters["stats"]["unique_graphs"]


def compiling(*ways: str, when: str = AT_ONCE, backend: Any = QUICK, **more: Any) -> Forwards:
    return Forwards("cpu", fetched, compiled=Compiled(ways, when, backend=backend, **more))


@pytest.mark.parametrize("way", [WHOLE, REGIONS])
def test_compiled_is_what_the_part_computes(way: str) -> None:
    part = small()
    forwards = compiling(way)
    for rows in (2, 3, 4):
        inputs = read_by_unet(rows)
        torch.testing.assert_close(forwards.denoised(part, inputs), inputs.given_to(part), atol=1e-5, rtol=1e-5)
    made = traced()
    assert made >= 2
    forwards.denoised(part, read_by_unet(3, seed=1))
    assert traced() == made


def test_new_weights_are_seen_without_compiling_again() -> None:
    part, inputs = small(), read_by_unet(2)
    forwards = compiling(WHOLE)
    forwards.denoised(part, inputs)
    made = traced()
    with torch.inference_mode(False):
        conv_of(part).weight.data = conv_of(part).weight.data * 3
    torch.testing.assert_close(forwards.denoised(part, inputs), inputs.given_to(part), atol=1e-5, rtol=1e-5)
    assert traced() == made


def test_what_hangs_on_a_part_later_never_meets_compiled_code() -> None:
    part, inputs = small(), read_by_unet(2)
    forwards = compiling(REGIONS)
    forwards.denoised(part, inputs)
    assert not any(module._compiled_call_impl for module in part.modules())
    with conv_of(part).register_forward_hook(lambda module, args, output: output * 2):
        assert torch.equal(forwards.denoised(part, inputs), inputs.given_to(part))


def test_aside_the_first_forwards_are_as_they_are_and_the_compiled_takes_over() -> None:
    part, inputs = small(), read_by_unet(2)
    may, where = Event(), Event()

    class Waiting:
        """The compiling thread's surroundings: it starts when the test lets it."""

        def __enter__(self) -> None:
            where.set()
            assert may.wait(60)

        def __exit__(self, *_: object) -> None: ...

    compiled = Compiled([WHOLE], ASIDE, worth={"forward": 2}, around=Waiting, backend=QUICK)
    forwards = Forwards("cpu", fetched, compiled=compiled)
    forwards.denoised(part, inputs)
    assert not where.wait(0.05)  # once is not worth it
    forwards.denoised(part, inputs)
    assert where.wait(60)
    assert torch.equal(forwards.denoised(part, inputs), inputs.given_to(part))
    assert traced() == 0
    may.set()
    (twin,) = compiled._twins.values()
    for _ in range(600):
        if not twin.waiting:
            break
        Event().wait(0.1)
    assert traced() == 1
    torch.testing.assert_close(forwards.denoised(part, inputs), inputs.given_to(part), atol=1e-5, rtol=1e-5)
    assert traced() == 1  # this thread finds what the other has made
    assert all(made is not None for made in twin.made.values())


def test_a_way_that_fails_gives_way_to_the_next_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    part, inputs = small(), read_by_unet(2)
    forwards = compiling(WHOLE, backend="no such backend")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert torch.equal(forwards.denoised(part, inputs), inputs.given_to(part))
        assert torch.equal(forwards.denoised(part, read_by_unet(1)), read_by_unet(1).given_to(part))
    (line,) = [record.getMessage() for record in caplog.records if record.name == "easel.models"]
    assert line.startswith("torch.compile failed for Small (whole: ")
    assert line.endswith("; it runs as it is.")
    assert "\n" not in line


def test_where_the_whole_fails_its_blocks_are_compiled(caplog: pytest.LogCaptureFixture) -> None:
    def fussy(graph: Any, inputs: Any) -> Any:
        """A compiler that can do a residual layer and no more."""
        if any("conv_in" in node.name for node in graph.graph.nodes):
            raise NotImplementedError("too much")
        return graph.forward

    part, inputs = small(), read_by_unet(2)
    forwards = compiling(WHOLE, REGIONS, backend=fussy)
    with caplog.at_level(logging.WARNING):
        for rows in (inputs, read_by_unet(1)):
            torch.testing.assert_close(forwards.denoised(part, rows), rows.given_to(part), atol=1e-5, rtol=1e-5)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "easel.models"]
    assert line.startswith("torch.compile failed for Small (whole: ")
    assert line.endswith("NotImplementedError: too much); its blocks are compiled.")
    assert traced() > 0


def test_decodes_are_compiled_at_widths_that_make_just_their_rows() -> None:
    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 3, 3, padding=1)

        def decode(self, z: Tensor, return_dict: bool = True) -> tuple[Tensor]:
            return (self.conv(z),)

    vae = Decoder()
    forwards = compiling(WHOLE)
    latents = Inputs({"z": torch.randn(3, 4, 4, 4)})
    torch.testing.assert_close(forwards.decoded(vae, latents), latents.given_to(vae, "decode"), atol=1e-5, rtol=1e-5)
    (twin,) = forwards.compiled._twins.values()  # type: ignore[union-attr]
    assert [shape[1] for _, shape in twin.made] == [2, 1]  # type: ignore[misc]


@pytest.mark.filterwarnings("default::DeprecationWarning")  # of torch's own, at its compiler's import
def test_the_real_compiler() -> None:
    """Code is written, built and right."""
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler here; torch.compile builds with one")

    part, inputs = small(), read_by_unet(2)
    forwards = compiling(WHOLE, backend="inductor")
    torch.testing.assert_close(forwards.denoised(part, inputs), inputs.given_to(part), atol=1e-5, rtol=1e-5)
    assert counters["inductor"]["fxgraph_cache_miss"] + counters["inductor"]["fxgraph_cache_hit"] > 0


def test_what_the_settings_choose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "elsewhere")
    assert forwards_on("cpu", "auto", 2**30) is None
    assert forwards_on("mps", "auto", 2**30) is None
    assert forwards_on("cpu", "off", 2**30) is None
    assert compiled_on("cuda", "off") is None
    whole = forwards_on("cpu", "whole", 2**30)
    assert whole is not None and whole.compiled is not None and whole.graphs is None


def test_artefacts_stay_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    keep_artefacts()
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    assert Path(cache_dir()) == artefacts_folder() == tmp_path / "easel" / "compiled"
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "own"))
    keep_artefacts()
    assert Path(cache_dir()) == tmp_path / "own"
