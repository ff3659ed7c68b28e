"""Pictures at any side: things where the scene has them, styles and faults that can be told."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from easel.training.embedded.looking import nearest_background
from easel.training.world.deck import packed
from easel.training.world.painting import Atlas, make_atlas, paint
from easel.training.world.scenes import BACKGROUNDS, DAMAGES, GROUPS, OWN_GROUND, STYLES, Scene, Thing, scene_at
from easel.training.world.styles import FAULTS, PAINTERS, colourise, cosines


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    """A red square in the middle, a green one in the upper left corner, and a shaded disc with a dark eye."""
    sprites = torch.zeros(3, 4, 128, 128, dtype=torch.uint8)
    sprites[0, [0, 3], 32:96, 32:96] = 255
    sprites[1, [1, 3], 8:64, 8:64] = 255
    y, x = torch.meshgrid(torch.arange(128) - 64, torch.arange(128) - 64, indexing="ij")
    disc, eye = x**2 + y**2 < 55**2, (x - 14) ** 2 + (y + 20) ** 2 < 9**2
    shades = torch.stack([128 + x, 90 + y // 2, 128 - x]).clamp(0, 255) * disc * ~eye
    sprites[2] = torch.cat([shades, disc[None] * 255]).to(torch.uint8)
    return make_atlas(sprites)


def reddest(picture: torch.Tensor) -> tuple[float, float]:
    """The middle of what is red, as fractions of height and width."""
    red = (picture[0] > 0.5) & (picture[1] < -0.5)
    rows, columns = red.nonzero(as_tuple=True)
    return float(rows.float().mean() + 0.5) / red.shape[0], float(columns.float().mean() + 0.5) / red.shape[1]


@pytest.mark.parametrize("size", [(256, 256), (128, 128), (192, 320), (320, 192), (64, 64)])
@pytest.mark.parametrize("centre", [(0.5, 0.5), (0.3, 0.6)])
def test_a_thing_stands_where_the_scene_has_it(
    atlas: Atlas, size: tuple[int, int], centre: tuple[float, float]
) -> None:
    (picture,) = paint(atlas, packed([Scene((Thing(0, size=0.4, centre=centre),))]), size)
    assert picture.shape == (3, *size)
    short = min(size)
    y, x = reddest(picture)
    assert abs((y - 0.5) * size[0] / short - (centre[1] - 0.5)) < 0.02
    assert abs((x - 0.5) * size[1] / short - (centre[0] - 0.5)) < 0.02


def test_a_mirrored_thing_looks_the_other_way(atlas: Atlas) -> None:
    scenes = [Scene((Thing(1, mirrored=mirrored),)) for mirrored in (False, True)]
    straight, mirrored = paint(atlas, packed(scenes), (128, 128))
    torch.testing.assert_close(straight.flip(-1), mirrored, atol=1e-4, rtol=0)


def test_every_background_is_the_colour_it_is_called(atlas: Atlas) -> None:
    scenes = [Scene((Thing(0),), background=name, colour=c, colour_2=c) for name, c in BACKGROUNDS.items()]
    assert nearest_background(paint(atlas, packed(scenes), (96, 96))) == list(BACKGROUNDS)


def test_a_gradient_goes_from_one_colour_to_the_other(atlas: Atlas) -> None:
    colours: dict[str, Any] = {"colour": (0.0, 0.0, 0.0), "colour_2": (1.0, 1.0, 1.0)}
    pictures = paint(atlas, packed([Scene((Thing(0),), direction=way, **colours) for way in ("down", "across")]))
    assert pictures[0, :, 0].max() < -0.95 and pictures[0, :, -1].min() > 0.95
    assert pictures[1, :, :, 0].max() < -0.95 and pictures[1, :, :, -1].min() > 0.95


def test_several_stand_apart(atlas: Atlas) -> None:
    size, places = GROUPS[4]
    (picture,) = paint(atlas, packed([Scene(tuple(Thing(0, size=size, centre=at) for at in places))]))
    red = (picture[0] > 0.5) & (picture[1] < -0.5)
    quarters = [part.float().mean() for half in red.chunk(2, 0) for part in half.chunk(2, 1)]
    assert min(quarters) > 0.1
    assert not red[128].any() and not red[:, 128].any()


def test_styles_and_faults_differ_from_plain_and_from_each_other(atlas: Atlas) -> None:
    thing = (Thing(2, size=0.7),)
    scenes = [Scene(thing, style=style) for style in STYLES] + [Scene(thing, damage=fault) for fault in DAMAGES[1:]]
    pictures = paint(atlas, packed(scenes), (128, 128)).flatten(1)
    apart = torch.cdist(pictures, pictures) + torch.eye(len(scenes)) * 1e6
    assert apart.min() > 1


def test_styles_show_the_same_at_every_side(atlas: Atlas) -> None:
    for style in STYLES:
        deck = packed([Scene((Thing(0, size=0.6),), style=style)])
        large, small = paint(atlas, deck, (256, 256)), paint(atlas, deck, (128, 128))
        less = torch.nn.functional.interpolate(large, size=128, mode="area")
        assert (less - small).abs().mean() < 0.16, style


def test_a_batch_paints_what_each_scene_alone_does(atlas: Atlas) -> None:
    scenes = [scene for scene in (scene_at(1, n, 2) for n in range(40)) if scene.damage != "noisy"][:24]
    together = paint(atlas, packed(scenes), (64, 64))
    alone = torch.cat([paint(atlas, packed([scene]), (64, 64)) for scene in scenes])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def test_every_style_and_fault_has_a_painter() -> None:
    assert set(PAINTERS) == set(STYLES) and set(FAULTS) == set(DAMAGES[1:])


def test_a_tint_moves_the_colour_towards_itself(atlas: Atlas) -> None:
    sprite = atlas.levels[1][2:3].float() / 255
    blue = colourise(sprite, torch.tensor([[0.1, 0.3, 0.9]]))
    assert torch.equal(blue[:, 3], sprite[:, 3])
    assert float(blue[:, 2].sum()) > float(blue[:, 0].sum())


def test_the_cosine_transform_is_orthonormal() -> None:
    table = cosines(torch.zeros(1))
    torch.testing.assert_close(table @ table.T, torch.eye(8), atol=1e-6, rtol=0)


def test_only_own_grounds_hide_what_is_asked_for(atlas: Atlas) -> None:
    red = BACKGROUNDS["red"]
    scenes = [Scene((Thing(1, size=0.4),), style=style, colour=red, colour_2=red) for style in STYLES]
    kept = {style for style, name in zip(STYLES, nearest_background(paint(atlas, packed(scenes))), strict=True)
            if name == "red"}  # fmt: skip
    assert kept == set(STYLES) - OWN_GROUND
