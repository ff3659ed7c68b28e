"""A day at the server, without the server: requests that come at random, on cost curves measured elsewhere.

Plays the engine's own policy (engine/scheduler.py, engine/costs.py) on a clock that jumps, beside what every web page
does: one request after another. Prints what people wait for by length of their request, and pictures a second.
The curves are seconds a forward by its rows; where they come from stands beside them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import quantiles

from rich.console import Console
from rich.table import Table

from easel.engine.costs import Costs
from easel.engine.scheduler import Pending, choose

Curve = Mapping[int, float]  # rows to seconds of a forward; between them a straight line, beyond them the last slope


@dataclass(frozen=True)
class Size:
    """Pictures of one size on one machine: its forwards, its decode of one picture."""

    forward: Curve
    decode: float


@dataclass(frozen=True)
class Asked:
    """One request: when it comes, of which size, how many steps."""

    at: float
    size: str
    steps: int
    user: str


@dataclass(frozen=True)
class Machine:
    """A machine's name, its sizes, and what people ask of it: (share, size, steps) each."""

    name: str
    sizes: Mapping[str, Size]
    asked: Sequence[tuple[float, str, int]]


# Two cores, a U-Net of 16 M parameters in bfloat16: measured, relative seconds a row at 16x16 and 32x32 latents.
# SD 1.5 on one H200: 2.5 ms of launches and unfused memory, 0.81 ms of arithmetic a row: computed, not measured.
# The 20 B transformer on one H200: SGLang's published step times at 512x512 and 1024x1024.
MACHINES = (
    Machine(
        "two cores, starter",
        {
            "128": Size({2: 0.020, 4: 0.0276, 8: 0.0432, 16: 0.0744, 32: 0.1373}, 0.02),
            "256": Size({2: 0.080, 4: 0.122, 8: 0.213, 16: 0.405, 32: 0.810}, 0.08),
        },
        ((0.5, "128", 4), (0.3, "128", 20), (0.15, "128", 50), (0.05, "256", 30)),
    ),
    Machine(
        "H200, SD 1.5 (computed curve)",
        {
            "512": Size({2: 0.0042, 4: 0.0058, 8: 0.0090, 16: 0.0155, 32: 0.0285, 64: 0.0545}, 0.008),
            "1536": Size({2: 0.030, 4: 0.058, 8: 0.114}, 0.075),
        },
        ((0.5, "512", 4), (0.3, "512", 20), (0.15, "512", 50), (0.05, "1536", 30)),
    ),
    Machine(
        "H200, 20 B transformer (published curve)",
        {
            "512": Size({2: 0.167, 4: 0.183, 6: 0.186, 8: 0.240, 16: 0.425, 32: 0.832}, 0.05),
            "1024": Size({2: 0.243, 4: 0.474, 6: 0.711}, 0.2),
        },
        ((0.5, "512", 4), (0.3, "512", 20), (0.15, "512", 50), (0.05, "1024", 30)),
    ),
)
MOST_ROWS = 64
ROWS = 2  # of a guided picture


def seconds(curve: Curve, rows: int) -> float:
    """Return the seconds of a forward, between the measured widths by a straight line."""
    widths = sorted(curve)
    right = next((i for i, width in enumerate(widths) if width >= rows), len(widths) - 1)
    low, high = widths[max(right - 1, 0)], widths[max(right, 1)]
    return curve[low] + (curve[high] - curve[low]) / (high - low) * (rows - low)


def alone(machine: Machine, asked: Asked) -> float:
    """Return the seconds of one request with the machine for itself."""
    size = machine.sizes[asked.size]
    return asked.steps * seconds(size.forward, ROWS) + size.decode


def stream(machine: Machine, load: float, many: int, seed: int = 0) -> list[Asked]:
    """Return requests at random moments; load: of what the machine can do one after another, 1 is all of it."""
    chance = random.Random(seed)
    shares = [share for share, _, _ in machine.asked]
    mean = sum(share * alone(machine, Asked(0, size, steps, "")) for share, size, steps in machine.asked)
    clock, found = 0.0, []
    for number in range(many):
        clock += chance.expovariate(load / mean)
        ((_, size, steps),) = chance.choices(machine.asked, shares)
        found.append(Asked(clock, size, steps, f"user {number % 4}"))
    return found


def one_after_another(machine: Machine, stream: Sequence[Asked]) -> list[float]:
    """Return how long each request takes from its coming to its end, first come, first served."""
    free, waited = 0.0, []
    for asked in stream:
        free = max(free, asked.at) + alone(machine, asked)
        waited.append(free - asked.at)
    return waited


@dataclass
class Life:
    """A request on its way through the engine."""

    asked: Asked
    left: int
    due: float = field(default=0.0)


def shared(machine: Machine, stream: Sequence[Asked]) -> list[float]:
    """Return the same under the engine's policy: forwards shared, short ones due first, users even."""
    costs, clock, coming = Costs(), 0.0, list(enumerate(stream))[::-1]
    lives: dict[str, Life] = {}
    served: dict[str, float] = {}
    waited = [0.0] * len(stream)
    while coming or lives:
        if not lives:
            clock = max(clock, coming[-1][1].at)
        while coming and coming[-1][1].at <= clock:
            number, asked = coming.pop()
            lives[str(number)] = Life(asked, asked.steps, asked.at)
            served.setdefault(asked.user, min(served.values(), default=0.0))
        pending = [pending_of(run, life, costs, served) for run, life in lives.items()]
        chosen = choose(pending, lambda key: costs.room(key, MOST_ROWS))
        kind, size = chosen[0].key, machine.sizes[lives[chosen[0].run].asked.size]
        rows = sum(work.rows for work in chosen)
        decoding = lives[chosen[0].run].left == 0
        took = size.decode * rows if decoding else seconds(size.forward, rows)
        clock += took
        costs.of(kind).observe(rows, took)
        for work in chosen:
            life = lives[work.run]
            served[life.asked.user] += took * work.rows / rows
            life.left -= 1
            if life.left < 0:
                waited[int(work.run)] = clock - life.asked.at
                del lives[work.run]
        there = {life.asked.user for life in lives.values()}
        served = {user: had for user, had in served.items() if user in there}
    return waited


def pending_of(run: str, life: Life, costs: Costs, served: Mapping[str, float]) -> Pending:
    """Return what a request waits for: its next step, or its decode."""
    key = (life.asked.size, life.left == 0)
    if life.due == life.asked.at:
        life.due += life.asked.steps * costs.of(key).seconds(ROWS)
    return Pending(run, key, 1 if life.left == 0 else ROWS, life.due, 0, served[life.asked.user])


def behind(machine: Machine) -> list[Asked]:
    """Return eight long requests at once and, a moment later, twenty short ones."""
    size = machine.asked[0][1]
    long = [Asked(0.0, size, 50, f"user {number}") for number in range(8)]
    return [*long, *(Asked(0.01, size, 4, f"user {8 + number % 4}") for number in range(20))]


def classes(stream: Sequence[Asked]) -> Iterator[tuple[str, Callable[[Asked], bool]]]:
    """Yield the kinds of request in a stream, by size and steps."""
    for size, steps in sorted({(asked.size, asked.steps) for asked in stream}, key=lambda one: (int(one[0]), one[1])):
        yield f"{size}, {steps} steps", lambda asked, one=(size, steps): (asked.size, asked.steps) == one


def tell(console: Console, title: str, machine: Machine, stream: Sequence[Asked]) -> None:
    """Print the table of one stream."""
    ways = {"one after another": one_after_another(machine, stream), "Easel": shared(machine, stream)}
    ends = {
        way: max(asked.at + took for asked, took in zip(stream, waited, strict=True)) for way, waited in ways.items()
    }
    rates = {way: len(stream) / end for way, end in ends.items()}
    table = Table(title=f"{machine.name}: {title}", title_justify="left")
    for column in ("request", "p50 alone", "p50", "p95 alone", "p95", "p50 better by"):
        table.add_column(column, justify="left" if column == "request" else "right")
    for name, of_class in classes(stream):
        first, second = (
            percentiles([took for asked, took in zip(stream, waited, strict=True) if of_class(asked)])
            for waited in ways.values()
        )
        row = (f"{first[0]:.2f}", f"{second[0]:.2f}", f"{first[1]:.2f}", f"{second[1]:.2f}")
        table.add_row(name, *row, f"{first[0] / second[0]:.1f}x")
    console.print(table)
    gain = rates["Easel"] / rates["one after another"]
    console.print(f"pictures a second: {rates['one after another']:.2f} -> {rates['Easel']:.2f} ({gain:.2f}x)\n")


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 95th percentile."""
    cuts = quantiles(values, n=20, method="inclusive") if len(values) > 1 else [values[0]] * 19
    return cuts[9], cuts[18]


def main() -> None:
    """Print everything."""
    console = Console(width=110)
    console.print("Seconds from a request's coming to its picture; 'alone': one request after another.\n")
    for machine in MACHINES:
        tell(console, "20 short ones behind 8 long ones", machine, behind(machine))
        for load in (0.7, 1.5):
            tell(console, f"{load:.0%} of what one after another can do", machine, stream(machine, load, 1000))
        many = [
            Asked(0.0, machine.asked[0][1], 20, f"user {number}") for number, _ in zip(count(), range(64), strict=False)
        ]
        tell(console, "64 alike at once", machine, many)


if __name__ == "__main__":
    main()
