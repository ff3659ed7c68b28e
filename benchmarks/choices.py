"""What each choice of `Shortcuts` saves and what it costs, on the starter: time, rows, multiplications, and PSNR.

Times are processor seconds, the least of some rounds, relative to the same pictures without. Prints too what few steps
cost, with the starter's LoRA and without, what remembering texts saves, what keys and values of the text computed once
would, and, last, memory over many requests.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from easel.app import open_client
from easel.core.client import Done
from easel.core.passes import Guidance, Shortcuts
from easel.core.request import Request
from easel.core.result import Picture
from easel.core.settings import read_settings
from easel.core.work import Encode, Evaluate, Text
from easel.engine.engine import Engine
from easel.engine.runner import no_shelf, perform, performer
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from easel.models.library.names import STARTER
from easel.recipes import recipes
from easel.studio import load as open_studio
from easel.training.companions.opening import PRACTISED
from easel.training.embedded.judges import Glyphs, Names
from easel.training.embedded.looking import hits, share
from easel.training.embedded.trials import EXAM_SEED, make_trials
from easel.training.networks.export import load as load_trained
from easel.training.world.source import open_source

PROMPTS = ("a red fox on a blue background", "빨간 사과", "a whale and a cat")
STEPS = 20
ROUNDS = 2
PAGE = 4096

Fields = dict[str, Any]
CHOICES: dict[str, Fields] = {
    "nothing": {},
    "--features-every 2": {"shortcuts": Shortcuts(features_every=2)},
    "--features-every 3": {"shortcuts": Shortcuts(features_every=3)},
    "--features-every 5": {"shortcuts": Shortcuts(features_every=5)},
    "--gate 0.75": {"shortcuts": Shortcuts(gate=0.75)},
    "--gate 0.5": {"shortcuts": Shortcuts(gate=0.5)},
    "--ngms 1": {"shortcuts": Shortcuts(ngms=1)},
    "--ngms 4": {"shortcuts": Shortcuts(ngms=4)},
    "--guidance-end 0.8": {"guidance": Guidance(end=0.8)},
    "--guidance-end 0.6": {"guidance": Guidance(end=0.6)},
    "--features-every 3 --gate 0.5": {"shortcuts": Shortcuts(features_every=3, gate=0.5)},
    "--steps 14": {"steps": 14},
}

FEW: dict[str, Fields] = {
    "20 steps": {},
    "4 steps": {"steps": 4},
    "4 steps, scale 1": {"steps": 4, "cfg_scale": 1.0},
    "4 steps of Euler": {"steps": 4, "sampler": "Euler", "schedule": "SGM Uniform"},
    "4 steps with the LoRA": {"steps": 4, "sampler": "Euler", "schedule": "SGM Uniform", "cfg_scale": 1.0},
    "8 steps with the LoRA": {"steps": 8, "sampler": "Euler", "schedule": "SGM Uniform", "cfg_scale": 1.0},
    "2 steps with the LoRA": {"steps": 2, "sampler": "Euler", "schedule": "SGM Uniform", "cfg_scale": 1.0},
}
TAG = " <lora:starter-4steps:1>"


class Watched:
    """An engine that counts rows and keeps the pictures' pixels."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.rows = 0
        self.pixels: list[Tensor] = []

    def perform(self, works: Sequence[Any]) -> list[Any]:
        """Perform works, and look at them."""
        outcomes = perform(works)
        if isinstance(works[0], Evaluate):
            self.rows += sum(work.rows for work in works)
        elif type(works[0]).__name__ == "Decode":
            self.pixels += [one for one in outcomes if isinstance(one, Tensor)]
        return outcomes

    def draw(self, requests: Sequence[Request]) -> None:
        """Draw requests one after another."""
        for number, request in enumerate(requests):
            engine = Engine(perform=self.perform)
            engine.add(str(number), recipes[request.recipe].make(request, self.model), raise_failure)
            while engine.step():
                pass


def raise_failure(event: Any) -> None:
    """Let a failed run end the program."""
    if hasattr(event, "error"):
        raise event.error


def asked(fields: Fields) -> list[Request]:
    """Return the requests with one choice."""
    return [
        Request(**{"prompt": prompt, "seed": seed, "steps": STEPS, "sampler": "DPM++ 2M", **fields})
        for seed, prompt in enumerate(PROMPTS)
    ]


def seconds(call: Callable[[], Any]) -> float:
    """Return the processor seconds of a call."""
    began = process_time()
    call()
    return process_time() - began


def psnr(a: Tensor, b: Tensor) -> float:
    """Return the peak signal-to-noise ratio of pixels 0..1 in dB."""
    error = float((a.double() - b.double()).square().mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def price(model: Model) -> Table:
    """Return the table of all choices."""
    table = Table(title=f"{len(PROMPTS)} pictures of the starter, {STEPS} steps, {model.machine.words}")
    for heading in ("choice", "time", "rows", "multiplications", "PSNR median", "worst"):
        table.add_column(heading, justify="left" if heading == "choice" else "right")
    times: dict[str, float] = dict.fromkeys(CHOICES, math.inf)
    drawn: dict[str, Watched] = {}
    for _ in range(ROUNDS):  # in turn, so that a busy machine is busy for all
        for name, fields in CHOICES.items():
            drawn[name] = Watched(model)
            times[name] = min(times[name], seconds(lambda name=name, fields=fields: drawn[name].draw(asked(fields))))
    work = {name: multiplications(model, fields) for name, fields in CHOICES.items()}
    plain, *_ = drawn
    for name, watched in drawn.items():
        ratios = [psnr(a, b) for a, b in zip(drawn[plain].pixels, watched.pixels, strict=True)]
        table.add_row(
            name,
            f"{times[name] / times[plain]:.2f}",
            f"{watched.rows / drawn[plain].rows:.2f}",
            f"{work[name] / work[plain]:.2f}",
            f"{median(ratios):.1f} dB",
            f"{min(ratios):.1f} dB",
        )
    return table


def multiplications(model: Model, fields: Fields) -> int:
    """Return the multiplications and additions of one picture, its decoding too."""
    with FlopCounterMode(display=False) as counter:
        Watched(model).draw(asked(fields)[:1])
    return counter.get_total_flops()


def few_steps(count: int) -> Table:
    """Return the table of few steps: `count` prompts of the model card's examination, their subjects judged by pixels
    and by the own CLIP; time is that of the first PROMPTS, one after another."""
    tokenizer, towers, _, unet = load_trained(STARTER)
    source = open_source(None, PRACTISED, 8 * int(unet.config["sample_size"]), "cpu")
    trials = make_trials(source.subjects, count)
    ones = [number for number, trial in enumerate(trials) if trial.kind == "one"]
    wanted = torch.tensor([trials[number].scene.things[0].subject for number in ones])
    judges = Glyphs(source.atlas), Names(towers, tokenizer, source.subjects)
    table = Table(title=f"{count} prompts of the starter, few steps")
    for heading in ("choice", "time", "PSNR median", "worst tenth", "glyph, top 1", "own CLIP, top 1"):
        table.add_column(heading, justify="left" if heading == "choice" else "right")
    drawn: dict[str, Tensor] = {}
    times: dict[str, float] = dict.fromkeys(FEW, math.inf)
    with open_studio() as studio:

        def draw(prompts: Sequence[str], name: str) -> list[Picture]:
            tag = TAG if "LoRA" in name else ""
            fields = {"steps": STEPS, "sampler": "DPM++ 2M", "seed": EXAM_SEED, **FEW[name]}
            return studio.text_to_image([prompt + tag for prompt in prompts], **fields)

        for name in FEW:
            drawn[name] = as_pixels(draw([trial.prompt for trial in trials], name))
        for _ in range(ROUNDS):  # in turn, so that a busy machine is busy for all
            for name in FEW:
                alone = seconds(lambda name=name: [draw([prompt], name) for prompt in PROMPTS])
                times[name] = min(times[name], alone)
    plain, *_ = FEW
    for name, pixels in drawn.items():
        glyph, own = (share(hits(judge.ranked(pixels[ones] * 2 - 1), wanted, 1)) for judge in judges)
        ratios = sorted(psnr(a, b) for a, b in zip(drawn[plain], pixels, strict=True))
        table.add_row(
            name,
            f"{times[name] / times[plain]:.2f}",
            f"{median(ratios):.1f} dB",
            f"{ratios[len(ratios) // 10]:.1f} dB",
            f"{glyph:.0%}",
            f"{own:.0%}",
        )
    return table


def as_pixels(pictures: Sequence[Picture]) -> Tensor:
    """Return pictures as pixels (n, 3, height, width) in 0..1."""
    arrays = [np.asarray(picture.image, dtype=np.float32) for picture in pictures]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2) / 255


def texts(model: Model) -> str:
    """Return what remembering saves of encoding a request's texts."""
    work = Encode(model, (Text(PROMPTS[0]), Text("blurry", away=True)))
    remembering = performer(no_shelf)
    remembering([work])
    plain, remembered = (
        min(seconds(lambda call=call: call([work])) for _ in range(ROUNDS)) for call in (perform, remembering)
    )
    return f"two texts: {plain * 1000:.1f} ms encoded, {remembered * 1000:.2f} ms remembered"


def keys_and_values(model: Any) -> str:
    """Return which share of a forward's multiplications makes keys and values of the text."""
    layers = [one for name, one in model.unet.named_modules() if name.endswith(("attn2.to_k", "attn2.to_v"))]
    own = sum(2 * 77 * layer.in_features * layer.out_features for layer in layers)
    context = torch.zeros(1, 77, layers[0].in_features, dtype=model.machine.dtype)
    side = model.defaults.width // model.latent.downscale
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model.unet(torch.zeros(1, 4, side, side, dtype=model.machine.dtype), 1, context)
    return f"keys and values of the text: {own / counter.get_total_flops():.1%} of a forward"


def flat(count: int) -> str:
    """Return how the process's memory grows over many requests through a client, of two steps each."""
    file = Path("/proc/self/statm")
    if not file.is_file():
        return "memory: this system does not tell it"
    sizes: list[float] = []
    client = open_client(read_settings())
    for first in range(0, count, 20):
        runs = [
            client.submit(Request(prompt=f"a fox {number}", seed=number, steps=2, width=64, height=64))
            for number in range(first, first + 20)
        ]
        assert all(isinstance(list(client.events(run))[-1], Done) for run in runs)
        sizes.append(int(file.read_text().split()[1]) * PAGE / 2**20)
    client.close()
    quarters = [sizes[len(sizes) * quarter // 4 - 1] for quarter in (1, 2, 3, 4)]
    return f"memory over {count} requests, at each quarter: " + ", ".join(f"{size:.0f}" for size in quarters) + " MiB"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="for the memory, 0 to leave it out")
    parser.add_argument("--prompts", type=int, default=100, help="for few steps, 0 to leave them out")
    parser.add_argument("--only-few", action="store_true", help="print the table of few steps alone")
    wanted = parser.parse_args()
    console = Console(width=110)
    if wanted.prompts:
        console.print(few_steps(wanted.prompts))
    if wanted.only_few:
        return
    model = load(identify(STARTER, "starter"), read_settings())
    Watched(model).draw(asked({})[:1])
    console.print(price(model))
    console.print(texts(model))
    console.print(keys_and_values(model))
    if wanted.requests:
        console.print(flat(wanted.requests))


if __name__ == "__main__":
    main()
