"""What leads a pass: prompts over time, encoded once and looked up at every call, and the networks they name.

Knows the plan of a prompt and a model's encode; knows no latents.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

from easel.core.errors import BadValue, Unsupported
from easel.core.request import Request
from easel.core.work import Encode, Load, Networks, Text, Wanted, Work
from easel.models.family import Model
from easel.models.words.conditioning import Conditioning
from easel.post.upscalers import wanted_upscaler
from easel.prompt.networks import LoraTag, lora_of, split_networks
from easel.prompt.plan import Held, held_at, parts, plan, plan_negative, strip_comments
from easel.recipes.controlled import controls_want
from easel.recipes.motion import motion_wants
from easel.recipes.regional import prompts_in
from easel.recipes.wanted import afterwards_want

MOST_PARTS = 64  # prompts joined by AND; each is a row of every forward


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """One prompt over the calls of a pass, and the conditioning of each of its texts."""

    held: tuple[Held, ...]
    conditionings: tuple[Conditioning, ...]

    def at(self, call: int) -> Conditioning:
        """Return what leads at model call number `call`, from 0."""
        return self.conditionings[held_at(self.held, call)]


@dataclass(frozen=True, slots=True, eq=False)
class Lead:
    """What leads every picture of a request: its positives with their weights, and what to lead away from.

    networks: what the denoiser wears meanwhile, with their strengths.
    """

    positives: tuple[Course, ...]
    weights: tuple[float, ...]
    negative: Course
    networks: Networks = ()


def encode(
    request: Request, model: Model, calls: int, *, base_calls: int | None = None, networks: bool = True
) -> Generator[Work, Any, Lead]:
    """Ask for the conditionings of all that a request's prompts say over a pass of `calls` model calls.

    base_calls: calls of the first pass, where this is the second. networks: whether the model wears the prompt's.
    """
    old = request.words.old_editing
    joined = plan(bare(request.prompt), calls, base_calls=base_calls, old=old)
    negative = plan_negative(bare(request.negative_prompt), calls, base_calls=base_calls, old=old)
    worn = yield from load_networks(request.prompt if networks else "")
    spoken = partial(Text, words=request.words, networks=worn.text)
    courses = [tuple((held, spoken(held.text)) for held in part.held) for part in joined]
    courses += [tuple((held, spoken(held.text, away=True)) for held in negative)]
    texts = tuple(dict.fromkeys(text for course in courses for _, text in course))
    found = yield Encode(model, texts, request.alone)
    encoded = dict(zip(texts, found, strict=True))

    *positives, away = (
        Course(tuple(held for held, _ in course), tuple(encoded[text] for _, text in course)) for course in courses
    )
    return Lead(tuple(positives), tuple(part.weight for part in joined), away, worn.denoiser)


@dataclass(frozen=True, slots=True)
class WornNetworks:
    """The networks of a prompt with their strengths, for the text encoders and for the denoiser."""

    text: Networks
    denoiser: Networks


def load_networks(prompt: str) -> Generator[Work, Any, WornNetworks]:
    """Ask for the networks that a prompt's tags name; one named twice is worn twice, as A1111 has it."""
    text: list[tuple[Any, float]] = []
    denoiser: list[tuple[Any, float]] = []
    for tag in split_networks(strip_comments(prompt))[1]:
        said = lora_of(tag)
        network = yield Load(wanted_network(said))
        text.append((network, said.te))
        denoiser.append((network, said.unet))
    return WornNetworks(tuple(text), tuple(denoiser))


def bare(prompt: str) -> str:
    """Return a prompt without its comments and extra networks."""
    return split_networks(strip_comments(prompt))[0]


def prompts_of(request: Request) -> tuple[list[str], list[str]]:
    """Return the prompts of a request, of its passes and of its regions, and its negative prompts."""
    hires = [request.hires] if request.hires else []
    regions = prompts_in(request.details)
    return (
        [request.prompt, *(one.prompt for one in hires), *regions[0]],
        [request.negative_prompt, *(one.negative_prompt for one in hires), *regions[1]],
    )


def wanted_by(request: Request) -> list[Wanted]:
    """Return all that a request loads beside models: what its prompts name, and for finishing. Raises RequestError."""
    prompts, negatives = prompts_of(request)
    tags = [tag for prompt in prompts for tag in split_networks(strip_comments(prompt))[1]]
    texts = [bare(prompt) for prompt in (*prompts, *negatives)]
    wanted = [*(wanted_network(lora_of(tag)) for tag in tags), *(Wanted("embeddings", text) for text in texts if text)]
    return [*wanted, *controls_want(request), *motion_wants(request), *finishing_wants(request)]


def finishing_wants(request: Request) -> list[Wanted]:
    """Return what second passes and finished pictures want from files."""
    names = [part.upscaler for part in (request.hires, request.tiles) if part]
    return [*(wanted for name in names if (wanted := wanted_upscaler(name))), *afterwards_want(request)]


def wanted_network(said: LoraTag) -> Wanted:
    """Return what is to be loaded for a tag."""
    options = {"rank": "" if said.rank is None else str(said.rank), "blocks": said.blocks}
    return Wanted("network", said.name, tuple((name, text) for name, text in options.items() if text))


def check_words(request: Request) -> None:
    """Raise Unsupported, by name, for networks that cannot be worn; BadValue for too many ANDs."""
    prompts, negatives = prompts_of(request)
    for prompt in negatives:
        for tag in split_networks(strip_comments(prompt))[1]:
            words = "it acts on both from the prompt"
            raise Unsupported(f"<{tag.kind}:{tag.name}> stands in the negative prompt; {words}: put it there.")
    for prompt in (*prompts, *negatives):
        if (count := len(parts(prompt))) > MOST_PARTS:
            raise BadValue("prompt", f"{count} parts joined by AND", f"at most {MOST_PARTS}")
        for tag in split_networks(strip_comments(prompt))[1]:
            lora_of(tag)
