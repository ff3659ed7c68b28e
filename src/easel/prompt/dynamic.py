"""Dynamic prompts: a text with choices to one outcome by a seed, or to every outcome in order.

Both ways pick the same things: what a seed draws is one of the outcomes. Both are bounded: an outcome has a longest
length and a most number of picks, so no text and no wildcard file can hang them or fill the memory. This file does not
know files: it is given a function that finds a wildcard's entries by name.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

from easel.core.errors import BadValue
from easel.core.limits import MAX_PROMPT
from easel.prompt.choices import Choice, Option, Pool, Wildcard, parts_of

Lookup = Callable[[str], Pool]

LONGEST = MAX_PROMPT  # characters of an outcome
MOST_PICKS = 20_000  # options that make one outcome
MOST_READ = 2_000_000  # characters of all texts that are parsed for one outcome
MOST_LOOKED_AT = 1_000_000  # options weighed against each other for one outcome
MOST_NAMES = 256  # different wildcards in one outcome
DEEPEST = 100  # options within options, through braces and wildcards together; far from Python's own limit


@dataclass(slots=True)
class _Walk:
    """What expanding one text may still spend; lookup: entries of a wildcard by name."""

    text: str
    lookup: Lookup
    picks: int = MOST_PICKS
    read: int = MOST_READ
    looked_at: int = MOST_LOOKED_AT
    length: int = LONGEST
    pools: dict[str, Pool] = field(default_factory=dict[str, Pool])

    def enter(self, text: str, depth: int) -> None:
        """Count an option that is being expanded, `depth` options within others."""
        self.picks -= 1
        self.read -= len(text)
        if self.picks < 0:
            raise self.too_much(f"at most {MOST_PICKS} picks in an outcome")
        if self.read < 0:
            raise self.too_much(f"at most {MOST_READ} characters read for an outcome")
        if depth > DEEPEST:
            raise self.too_much(f"options nested at most {DEEPEST} deep")

    def check_length(self, left: int) -> None:
        """Raise BadValue when fewer than no characters are left."""
        if left < 0:
            raise self.too_much(f"an outcome of at most {LONGEST} characters")

    def weigh(self, options: int) -> None:
        """Count options that are weighed against each other."""
        self.looked_at -= options
        if self.looked_at < 0:
            raise self.too_much(f"at most {MOST_LOOKED_AT} options weighed for an outcome")

    def pool(self, name: str) -> Pool:
        """Return the entries of a wildcard, looked up once. Raises what the lookup raises."""
        if name not in self.pools:
            if len(self.pools) == MOST_NAMES:
                raise self.too_much(f"at most {MOST_NAMES} different wildcards")
            self.pools[name] = self.lookup(name)
        return self.pools[name]

    def pool_of(self, choice: Choice) -> Pool:
        """Return what a choice picks from; `{2$$__flavours__}` picks among the entries of the file."""
        if len(choice.pool.options) == 1:
            match parts_of(choice.pool.options[0].text):
                case (Wildcard(name),):
                    return self.pool(name)
                case _:
                    pass
        return choice.pool

    def too_much(self, allowed: str) -> BadValue:
        return BadValue("prompt", self.text, allowed, remedy="it grows beyond that when expanded")


def draw(text: str, seed: int | str, lookup: Lookup) -> str:
    """Return one outcome of `text`; the same text, seed and wildcards give the same one on every machine.

    Raises BadValue where an outcome would be too long, too deep or of too many picks; what parts_of and lookup raise.
    """
    walk, drawn = _Walk(text, lookup), list[str]()
    _draw(text, walk, Random(f"easel {seed}"), drawn, depth=0)
    return "".join(drawn)


def _draw(text: str, walk: _Walk, random: Random, drawn: list[str], depth: int) -> None:
    """Append the words of one outcome to `drawn`."""

    def say(words: str) -> None:
        walk.length -= len(words)
        walk.check_length(walk.length)
        drawn.append(words)

    walk.enter(text, depth)
    for part in parts_of(text):
        match part:
            case str():
                say(part)
            case Wildcard(name):
                _draw(pick(walk.pool(name), random).text, walk, random, drawn, depth + 1)
            case Choice(joiner=joiner):
                for place, option in enumerate(picked(part, walk, random)):
                    say(joiner if place else "")
                    _draw(option.text, walk, random, drawn, depth + 1)


def pick(pool: Pool, random: Random) -> Option:
    """Return one option of a pool that is not empty, by weight."""
    place = bisect.bisect_right(pool.totals, random.random() * pool.totals[-1])
    return pool.options[min(place, len(pool.options) - 1)]


def picked(choice: Choice, walk: _Walk, random: Random) -> Sequence[Option]:
    """Return different options of a choice in the order they came, by weight.

    Several are drawn by the keys of Efraimidis & Spirakis 2006, which orders them as one draw after another would.
    """
    pool = walk.pool_of(choice)
    sizes = choice.sizes(len(pool.options))
    size = sizes[int(random.random() * len(sizes))] if len(sizes) > 1 else sizes[0]
    if size == 0:
        return ()
    if size == 1:
        return (pick(pool, random),)
    walk.weigh(len(pool.options))
    keys = [math.log(1.0 - random.random()) / option.weight for option in pool.options]
    return [pool.options[place] for place in heapq.nlargest(size, range(len(keys)), key=keys.__getitem__)]


def outcomes(text: str, lookup: Lookup) -> Iterator[str]:
    """Yield every outcome of `text`, one at a time and never held together; what stands last varies first.

    Options of equal text count once; outcomes may still be alike where different options come to the same words.
    Raises as draw does, when the outcome comes up.
    """
    return _outcomes(text, _Walk(text, lookup), depth=0)


def _outcomes(text: str, walk: _Walk, depth: int) -> Iterator[str]:
    try:
        walk.enter(text, depth)  # given back at the end: what counts is how many are held at once
        makers: list[Callable[[], Iterator[str]]] = []
        for part in parts_of(text):
            match part:
                case str():
                    makers.append(partial(iter, (part,)))
                case Wildcard(name):
                    makers.append(partial(_entries, name, walk, depth + 1))
                case Choice():
                    makers.append(partial(_picks, part, walk, depth + 1))
        for texts in lazy_product(makers):
            walk.check_length(LONGEST - sum(map(len, texts)))
            yield "".join(texts)
            if depth == 0:
                walk.read = MOST_READ
    finally:
        walk.picks += 1


def _entries(name: str, walk: _Walk, depth: int) -> Iterator[str]:
    for option in walk.pool(name).options:
        yield from _outcomes(option.text, walk, depth)


def _picks(choice: Choice, walk: _Walk, depth: int) -> Iterator[str]:
    pool = walk.pool_of(choice)
    for size in choice.sizes(len(pool.options)):
        if size > MOST_PICKS:
            raise walk.too_much(f"at most {MOST_PICKS} picks in an outcome")
        for options in itertools.permutations(pool.options, size):
            for texts in lazy_product([partial(_outcomes, option.text, walk, depth) for option in options]):
                walk.check_length(LONGEST - sum(map(len, texts)) - len(choice.joiner) * max(0, size - 1))
                yield choice.joiner.join(texts)


def lazy_product(makers: Sequence[Callable[[], Iterator[str]]]) -> Iterator[list[str]]:
    """Yield one text of each maker's iterator in every combination, the last varying first.

    As itertools.product, but it holds one text of each. makers: each gives a fresh iterator of at least one text. The
    list that is yielded is the same one every time.
    """
    running = [make() for make in makers]
    texts = [next(one) for one in running]
    while True:
        yield texts
        for place in reversed(range(len(makers))):
            following = next(running[place], None)
            if following is not None:
                texts[place] = following
                break
            running[place] = makers[place]()
            texts[place] = next(running[place])
        else:
            return


def varies(text: str) -> bool:
    """Return whether a text has a wildcard or a choice of more than one outcome. Raises what parts_of raises."""
    for part in parts_of(text):
        match part:
            case str():
                pass
            case Wildcard():
                return True
            case Choice(pool=pool):
                if len(pool.options) > 1 or (pool.options and len(part.sizes(1)) > 1):
                    return True
                if any(varies(option.text) for option in pool.options):
                    return True
    return False
