"""What only a CUDA card can show: recordings, streams and pinned memory of its own. scripts/gpu runs these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from easel.core.request import Request
from easel.core.settings import read_settings
from easel.engine.engine import Engine
from easel.engine.flights import begin
from easel.engine.runner import performer, widths_of
from easel.models.family import Model, load
from easel.models.gpu.choosing import forwards_on
from easel.models.gpu.lanes import CudaLane
from easel.models.layouts.identify import identify
from easel.recipes import recipes
from tests.models.gpu.parts import conv_of, read_by_unet, unet
from tests.tiny import write_tiny_sd

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card, and none is here"),
    pytest.mark.filterwarnings("default"),  # of what the card's own libraries say
]


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def test_replays_are_what_the_part_computes() -> None:
    part = unet().cuda()
    forwards = forwards_on("cuda", "off", 2**30)
    assert forwards is not None and forwards.graphs is not None
    for rows in (2, 3, 5, 16, 19, 2):
        inputs = read_by_unet(rows, seed=rows)
        found = forwards.denoised(part, inputs)
        torch.testing.assert_close(found, inputs.on("cuda").given_to(part).cpu(), atol=1e-3, rtol=1e-3)
    assert forwards.graphs.made == 4
    assert forwards.graphs.bytes > 0


def test_a_card_replays_over_changed_and_moved_weights() -> None:
    part, inputs = unet().cuda(), read_by_unet(2)
    forwards = forwards_on("cuda", "off", 2**30)
    assert forwards is not None and forwards.graphs is not None
    before = forwards.denoised(part, inputs)
    weight = conv_of(part).weight
    with torch.inference_mode(False):
        weight.data.mul_(2)
    assert not torch.allclose(before, forwards.denoised(part, inputs))
    assert forwards.graphs.made == 1
    with torch.inference_mode(False):
        weight.data = weight.data / 2
    torch.testing.assert_close(before, forwards.denoised(part, inputs), atol=1e-3, rtol=1e-3)
    assert forwards.graphs.made == 2


def test_compiled_blocks_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    part, inputs = unet().cuda(), read_by_unet(2)
    forwards = forwards_on("cuda", "regions", 2**30)
    assert forwards is not None and forwards.graphs is not None
    torch.testing.assert_close(
        forwards.denoised(part, inputs), inputs.on("cuda").given_to(part).cpu(), atol=1e-3, rtol=1e-3
    )
    assert forwards.graphs.made == 1
    assert any(tmp_path.rglob("*"))


def test_a_lane_fetches_what_passed_beside() -> None:
    lane = CudaLane()
    x = torch.randn(1024, 1024, device="cuda")
    with lane.aside() as ended:
        found = lane.fetched(x @ x)
    landing = ended()
    y = x * 2
    landing.wait()
    assert landing.done and landing.seconds > 0
    torch.testing.assert_close(found, (x @ x).cpu())
    assert torch.equal(lane.fetched(y), y.cpu())


def drawn(model: Model) -> list[bytes]:
    engine = Engine(64, performer(lambda wanted: model), begin, widths_of)
    found: dict[str, bytes] = {}
    for seed, steps in enumerate((3, 5, 2, 4)):

        def heard(event: object, seed: int = seed) -> None:
            result = getattr(event, "result", None)
            if result is not None:
                found[str(seed)] = result.pictures[0].image.tobytes()

        request = Request(prompt="a", seed=seed, steps=steps, width=64, height=64)
        engine.add(str(seed), recipes["txt2img"].make(request, model), heard)
    while engine.step():
        pass
    return [found[str(seed)] for seed in range(4)]


def test_pictures_are_those_without_any_of_it(tmp_path: Path) -> None:
    """In float32 each way rounds a little otherwise: of 256 levels a picture strays by one or two."""
    folder = write_tiny_sd(tmp_path / "tiny")
    plain = {"device": "cuda", "precision": "float32", "compile": "off", "graphs": False, "overlap": False}
    ways = ({}, {"graphs": True}, {"graphs": True, "overlap": True})
    first, *others = (drawn(load(identify(folder), read_settings(**plain | way))) for way in ways)
    for other in others:
        for one, two in zip(first, other, strict=True):
            a, b = (torch.frombuffer(bytearray(data), dtype=torch.uint8).int() for data in (one, two))
            assert (a - b).abs().max() <= 2
