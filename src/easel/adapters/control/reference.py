"""A reference without a model: the U-Net looks at another picture, and rows read in their self-attention what it saw.

"Reference only", by the author of ControlNet (2023): the picture's latent under the row's own noise goes through the
U-Net with the row's words; what its self-attentions read is kept, and the row's read both. Knows U-Nets' attentions.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from easel.adapters.control import adain
from easel.adapters.control.fitting import denoiser_of
from easel.adapters.control.prepared import led_of, mask_at
from easel.adapters.control.unets import chosen
from easel.adapters.rowmemory import instead
from easel.core.work import Act, EncodeImages, Rows, Work

KINDS = ("reference_only", "reference_adain")
SEED = 0  # of the noise over the reference, so that the same request draws the same picture


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A reference. latent, noise: (channels, height, width).

    fidelity: 0..1, how far a row keeps to what it reads itself: not at all where words lead, and where they lead away
    as A1111's "style fidelity" says. region: (1, 1, height, width) in 0..1, where it is read; None for everywhere.
    """

    latent: Tensor
    noise: Tensor
    fidelity: float = 0.0
    region: Tensor | None = None

    def kept(self, tokens: int) -> Tensor:
        """Return how far each of a row's tokens keeps to what it reads itself, (1, tokens, 1)."""
        if self.region is None:
            return torch.full((1, 1, 1), self.fidelity).expand(1, tokens, 1)
        height, width = self.latent.shape[-2:]
        while height * width > tokens:
            height, width = -(-height // 2), -(-width // 2)
        share = mask_at(self.region, (height, width)).flatten(2).transpose(1, 2)
        return 1 - (1 - self.fidelity) * share


@dataclass(frozen=True, slots=True)
class Reference:
    """Leads rows by a reference. A strength of 1 and more acts on all layers, less on the inner ones alone.

    attention: rows read what was seen; statistics: what layers give is brought to the reference's look, see adain.py.
    """

    attention: bool = True
    statistics: bool = False

    @property
    def name(self) -> str:
        """What A1111's ControlNet calls it."""
        return "reference_adain+attn" if self.attention and self.statistics else KINDS[self.statistics]

    def fitted(self, model: Any) -> Reference:
        """Return this for a model. Raises Mismatch for one without a U-Net."""
        denoiser_of(self.name, model, "unet")
        return self

    def prepare(self, model: Any, pixels: Tensor, *, alone: bool = False) -> Generator[Work, Any, Seen]:
        """Ask for the latent of a reference. pixels: (1, 3, height, width) in 0..1. alone: as in Hint."""
        latents = yield EncodeImages(model, pixels, alone)
        noise = torch.randn(latents[0].shape, generator=torch.Generator().manual_seed(SEED))
        return Seen(latents[0], noise)

    @contextmanager
    def acting(self, model: Any, rows: Rows, acts: Sequence[Act | None]) -> Iterator[Mapping[str, Tensor]]:
        """Let rows that are led take what the U-Net makes of their references. Tells the U-Net nothing."""
        led, own = led_of(acts)
        unet = model.parts["unet"]
        attentions = ranked(unet) if self.attention else []
        stages = adain.stages(unet) if self.statistics else []
        seen: dict[int, Tensor] = {}
        looks: dict[int, adain.Look] = {}
        with bare(unet), ExitStack() as stack:
            for place, attention in enumerate(attentions):
                stack.enter_context(instead(attention, noting(attention, place, seen)))
            for place, (layer, _) in enumerate(stages):
                stack.callback(layer.register_forward_hook(adain.noting(place, looks)).remove)
            model.predict(looking(model, chosen(rows, led), [act.prepared for act in own]))
        with ExitStack() as stack:
            for place, attention in enumerate(attentions):
                read = [row for row, act in enumerate(own) if act.strength > place / len(attentions)]
                if read:
                    here, references = [led[row] for row in read], [own[row].prepared for row in read]
                    stack.enter_context(instead(attention, both(attention, seen[place][read], here, references)))
            for place, (layer, least) in enumerate(stages):
                read = [row for row, act in enumerate(own) if act.strength >= least]
                if read:
                    keeping = torch.tensor([own[row].prepared.fidelity for row in read])[:, None, None, None]
                    mean, spread = (one[read] for one in looks[place])
                    hook = adain.bringing((mean, spread), [led[row] for row in read], keeping)
                    stack.callback(layer.register_forward_hook(hook).remove)
            yield {}


def looking(model: Any, rows: Rows, references: Sequence[Seen]) -> Rows:
    """Return rows at which the model looks at references: their latents under the rows' own noise levels."""
    alphas = torch.tensor([model.path.alpha(float(sigma)) for sigma in rows.sigma])[:, None, None, None]
    sigmas = rows.sigma.to(torch.float32)[:, None, None, None]
    latents, noise = (torch.stack([getattr(one, part) for one in references]) for part in ("latent", "noise"))
    return replace(rows, x=alphas * latents + sigmas * noise)


def ranked(unet: nn.Module) -> list[Any]:
    """Return the self-attentions of a U-Net, those with most channels first."""
    found: list[Any] = [module for name, module in unet.named_modules() if name.endswith(".attn1")]
    return sorted(found, key=lambda attention: -int(attention.query_dim))


@contextmanager
def bare(unet: nn.Module) -> Iterator[None]:
    """Let a U-Net's layers compute by themselves, whatever hangs on them now, for as long as the context lasts.

    What else leads the rows of a forward counts these, of which those that look at references are a part.
    """
    standing = [one for one in unet.modules() if hasattr(one, "processor") and "forward" in one.__dict__]
    forwards = [(one, one.__dict__.pop("forward")) for one in standing]
    hanging = [one._forward_hooks for one in unet.modules() if one._forward_hooks]
    hanging += [one._forward_pre_hooks for one in unet.modules() if isinstance(one, nn.Linear)]  # not those of edges
    hooks: list[tuple[Any, Any]] = [(some, dict(some)) for some in hanging]
    for some in hanging:
        some.clear()
    try:
        yield
    finally:
        for some, kept in hooks:
            some.update(kept)
        for one, forward in forwards:
            one.forward = forward


def noting(attention: Any, place: int, seen: dict[int, Tensor]) -> Callable[..., Tensor]:
    """Return what stands in for a self-attention: itself, noting what it reads."""
    before = attention.forward

    def forward(hidden_states: Tensor, *rest: Any, **named: Any) -> Tensor:
        seen[place] = hidden_states
        return before(hidden_states, *rest, **named)

    return forward


def both(attention: Any, seen: Tensor, led: Sequence[int], references: Sequence[Seen]) -> Callable[..., Tensor]:
    """Return what stands in for a self-attention: rows `led` read what was seen, (led, tokens, width), too."""
    before = attention.forward
    keeping = torch.cat([one.kept(seen.shape[1]) for one in references])

    def forward(hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **named: Any) -> Tensor:
        rows = torch.tensor(list(led), device=hidden_states.device)
        own = hidden_states[rows]
        found = before(own, encoder_hidden_states=torch.cat([own, seen.to(own.dtype)], 1), **named)
        if len(led) == len(hidden_states) and not keeping.any():
            return found
        plain: Tensor = before(hidden_states, encoder_hidden_states=encoder_hidden_states, **named)
        share = keeping.to(found.device)
        plain[rows] = torch.lerp(found.float(), plain[rows].float(), share).to(plain.dtype)
        return plain

    return forward
