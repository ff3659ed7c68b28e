"""The laws of wearing: on and off leaves no bit changed, merged equals by rows, rows never see each other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from easel.adapters.networks.fitting import Fitted, Wearing, fitted
from easel.adapters.networks.merging import merged, put_on
from easel.adapters.networks.reading import read_network
from easel.adapters.networks.rows import Rack, worn_by_rows
from easel.core.errors import Unsupported
from easel.models.files.packed import Packed
from easel.models.files.packed_layers import keep
from tests.adapters.networks.making import kohya, layers, seen_by_unet, tiny_text, tiny_unet, weights, written
from tests.adapters.networks.test_kinds import made

EXACT = 2e-5  # of float32, in other orders of adding up
ONE_OF_EACH = (
    "LoRA",
    "LoCon with Tucker",
    "DoRA of outputs",
    "LoHa",
    "LoKr",
    "IA3",
    "OFT",
    "BOFT",
    "GLoRA",
    "difference",
)


@pytest.fixture(scope="module")
def unet() -> nn.Module:
    return tiny_unet()


def worn(folder: Path, part: nn.Module, seed: int = 1, kind: str = "LoRA") -> Fitted:
    """Return a network of a kind for all linear layers and convolutions of a U-Net."""
    tensors = kohya(part, layers(part), "lora_unet_", seed)
    if kind != "LoRA":
        tensors = {}
        for number, (name, layer) in enumerate(layers(part).items()):
            stem = "lora_unet_" + name.replace(".", "_")
            tensors |= {f"{stem}.{key}": value for key, value in made(kind, layer, seed * 1000 + number).items()}
    fit = fitted(read_network(written(folder, tensors, f"{kind}-{seed}")), {"unet": part})
    assert not fit.unused
    return fit.parts["unet"]


@pytest.fixture(scope="module")
def two(unet: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> list[Fitted]:
    """Two LoRAs with convolutions."""
    return [worn(tmp_path_factory.mktemp("two"), unet, seed) for seed in (1, 2)]


def test_strength_nothing_is_the_model_itself(unet: nn.Module, two: list[Fitted]) -> None:
    plain = seen_by_unet(unet)
    with merged(unet, [(two[0], 0.0)]):
        assert torch.equal(seen_by_unet(unet), plain)
    with worn_by_rows(unet, [[(two[0], 0.0)], [(two[1], 0.0)]]):
        assert torch.equal(seen_by_unet(unet), plain)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_off_again_is_bit_for_bit_the_model(tmp_path: Path, dtype: torch.dtype) -> None:
    unet = tiny_unet().to(dtype)
    before, homes = weights(unet), {name: value.data_ptr() for name, value in unet.state_dict().items()}
    one = worn(tmp_path, unet)
    plain = seen_by_unet(unet)
    with merged(unet, [(one, 0.7)]):
        assert not torch.equal(seen_by_unet(unet), plain)
        with worn_by_rows(unet, [[(one, 1.0)], ()]):
            seen_by_unet(unet)
    assert torch.equal(seen_by_unet(unet), plain)
    after = unet.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert {name: value.data_ptr() for name, value in after.items()} == homes


def test_off_again_after_an_error(unet: nn.Module, two: list[Fitted]) -> None:
    plain = seen_by_unet(unet)
    with pytest.raises(ValueError, match="of the forward"), merged(unet, [(two[0], 1.0)]):
        raise ValueError("of the forward")
    with pytest.raises(ValueError, match="of the forward"), worn_by_rows(unet, [[(two[0], 1.0)], ()]):
        raise ValueError("of the forward")
    assert torch.equal(seen_by_unet(unet), plain)


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_merged_equals_by_rows(tmp_path: Path, unet: nn.Module, kind: str) -> None:
    one, other = worn(tmp_path, unet, 1, kind), worn(tmp_path, unet, 2, kind)
    wearings: list[Wearing] = [[(one, 0.8)], [(other, -0.5)], [(one, 0.3), (other, 0.6)], ()]
    with worn_by_rows(unet, wearings):
        together = seen_by_unet(unet, 4)
    plain = seen_by_unet(unet, 4)
    for row, wearing in enumerate(wearings):
        with merged(unet, wearing):
            alone = seen_by_unet(unet, 4)[row]
        assert (together[row] - alone).abs().max() < EXACT * alone.abs().max(), row
        assert torch.equal(together[row], plain[row]) == (not wearing)


def test_merged_nearly_equals_by_rows_in_bfloat16(tmp_path: Path) -> None:
    unet = tiny_unet().bfloat16()
    one, exact = worn(tmp_path, unet), tiny_unet()
    with merged(exact, [(one, 0.3)]):
        true = seen_by_unet(exact)
    with merged(unet, [(one, 0.3)]):
        merge = seen_by_unet(unet).float()
    with worn_by_rows(unet, [[(one, 0.3)]] * 2):
        rows = seen_by_unet(unet).float()
    strayed = [float((seen - true).norm() / true.norm()) for seen in (merge, rows)]
    assert strayed[1] < 0.02 and strayed[1] < 2 * strayed[0]


def test_a_row_does_not_see_what_others_wear(unet: nn.Module, two: list[Fitted]) -> None:
    wearing: Wearing = [(two[0], 1.0)]
    with worn_by_rows(unet, [wearing, (), wearing]):
        seen = seen_by_unet(unet, 3)
    with worn_by_rows(unet, [wearing, [(two[1], 1.0)], [(two[1], -1.0), (two[0], 0.5)]]):
        company = seen_by_unet(unet, 3)
    assert (seen[0] - company[0]).abs().max() < EXACT
    assert torch.equal(seen[1], seen_by_unet(unet, 3)[1])


def test_stacked_is_the_sum(unet: nn.Module, two: list[Fitted]) -> None:
    def deltas(wearing: Wearing) -> dict[str, Tensor]:
        before = weights(unet)
        with merged(unet, wearing):
            return {name: value - before[name] for name, value in unet.state_dict().items()}

    both, first, second = (deltas(wearing) for wearing in (
        [(two[0], 0.5), (two[1], 2.0)], [(two[0], 0.5)], [(two[1], 2.0)]
    ))  # fmt: skip
    assert all((both[name] - first[name] - second[name]).abs().max() < 1e-6 for name in both)


def test_a_rack_is_worn_again_in_another_order(unet: nn.Module, two: list[Fitted]) -> None:
    rack = Rack(unet, [[(two[0], 1.0)], [(two[1], 0.5)]])
    with rack.on([0, 1, None]):
        first = seen_by_unet(unet, 3)
    with rack.on([None, 1, 1]):
        second = seen_by_unet(unet, 3)
    plain = seen_by_unet(unet, 3)
    assert torch.equal(first[2], plain[2]) and torch.equal(second[0], plain[0])
    assert (first[1] - second[1]).abs().max() < EXACT and not torch.equal(second[2], plain[2])
    with rack.on([None, None, None]):
        assert torch.equal(seen_by_unet(unet, 3), plain)


def test_a_row_may_stand_for_a_block_of_rows(unet: nn.Module, two: list[Fitted]) -> None:
    with worn_by_rows(unet, [[(two[0], 1.0)], ()]):
        clips = seen_by_unet(unet, 4)
    with worn_by_rows(unet, [[(two[0], 1.0)], [(two[0], 1.0)], (), ()]):
        rows = seen_by_unet(unet, 4)
    assert torch.equal(clips, rows)


def test_other_rows_than_were_told_are_refused(unet: nn.Module, two: list[Fitted]) -> None:
    message = r"[a-z_]+.* sees 3 rows where 2 wear networks each; merge them instead\."
    with pytest.raises(Unsupported, match=message), worn_by_rows(unet, [[(two[0], 1.0)], ()]):
        seen_by_unet(unet, 3)


def test_chunks_of_a_text_encoder_wear_their_own(tmp_path: Path) -> None:
    text = tiny_text()
    tensors = kohya(text, [name for name in layers(text) if "encoder" in name], "lora_te_text_model_")
    one = fitted(read_network(written(tmp_path, tensors)), {"text_encoder": text}).parts["text_encoder"]
    ids = torch.randint(0, 500, (3, 77), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain = text(ids).last_hidden_state
        with worn_by_rows(text, [(), [(one, 1.0)], ()]):
            rows = text(ids).last_hidden_state
        with merged(text, [(one, 1.0)]):
            whole = text(ids).last_hidden_state
    assert torch.equal(rows[[0, 2]], plain[[0, 2]])
    assert (rows[1] - whole[1]).abs().max() < EXACT and (rows[1] - plain[1]).abs().max() > 0.1


def test_putting_on_within_a_forward_of_the_engine(unet: nn.Module, two: list[Fitted]) -> None:
    plain = seen_by_unet(unet)
    with torch.inference_mode():
        take_off = put_on(unet, [(two[0], 1.0)])
        rack = Rack(unet, [[(two[1], 1.0)]])
    assert not torch.equal(seen_by_unet(unet), plain)
    take_off()
    with rack.on([0, None]):
        assert torch.equal(seen_by_unet(unet)[1], plain[1])
    assert not any(parameter.is_inference() for parameter in unet.parameters())


@pytest.mark.parametrize("kind", ["LoRA", "LoHa"])
def test_layers_in_few_bits_wear_theirs_beside_their_weight(tmp_path: Path, kind: str) -> None:
    plain, packed = tiny_unet(), tiny_unet()
    for name, layer in layers(packed, nn.Linear).items():
        codes = layer.weight.to(torch.float8_e4m3fn)
        keep(layer, Packed("F8_E4M3", tuple(codes.shape), {"codes": codes}), torch.float32)
        plain.get_submodule(name).weight.data = codes.float()
    one = worn(tmp_path, plain, 1, kind)
    bare = seen_by_unet(packed)
    with merged(plain, [(one, 0.5)]):
        true = seen_by_unet(plain)
    with merged(packed, [(one, 0.5)]):
        assert (seen_by_unet(packed) - true).abs().max() < EXACT * true.abs().max()
    with worn_by_rows(packed, [(), [(one, 0.5)]]):
        rows = seen_by_unet(packed)
    assert (rows[1] - true[1]).abs().max() < EXACT * true.abs().max() and torch.equal(rows[0], bare[0])
    assert torch.equal(seen_by_unet(packed), bare)
