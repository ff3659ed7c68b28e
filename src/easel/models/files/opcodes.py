"""A pickle's opcodes followed over plain values: what would be called is noted and never called.

Globals are words; calls and storages become Call. Lists, tuples and dicts are Python's own, with names for keys only.
Knows no torch and none of the words.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, BinaryIO

PROTOCOL = 2  # what torch writes, and the one that its weights-only unpickler knows
MOST_OPCODES = 2_000_000
SHOWN = 80  # letters of a global in a message


class OpcodeRefused(Exception):
    """The pickle asks for something outside what is allowed; says what, in one line."""


@dataclass(frozen=True, slots=True)
class Global:
    """A global by its name in full."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """What calling a global would give. For a storage name is "" and arguments are its persistent id."""

    name: str
    arguments: tuple[Any, ...]


class Mark:
    """Where a run of values begins on the stack."""


MARK = Mark()
ORDERED, PARAMETERS = "collections.OrderedDict", "torch.nn.modules.container.ParameterDict"


class Parameters(dict[str, Any]):
    """A dict of torch's for parameters, which are in what it is built from and not set one by one."""


class Follower:
    """The stack and the memory of one pickle."""

    def __init__(self, allowed: Collection[str], asked: list[tuple[Any, ...]]) -> None:
        self.allowed = allowed
        self.asked = asked
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}
        self.protocols: set[int] = set()

    def since_mark(self) -> list[Any]:
        """Take and return what lies above the last mark, and the mark. Raises ValueError where there is none."""
        place = len(self.stack) - 1
        while place >= 0 and self.stack[place] is not MARK:
            place -= 1
        if place < 0:
            raise ValueError("a pickle without a mark where one is needed")
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def name(self, module: Any, name: Any) -> None:
        """Push a global. Raises OpcodeRefused for one that is not allowed."""
        full = f"{module}.{name}".replace("__builtin__.", "builtins.")
        if full not in self.allowed:
            raise OpcodeRefused(ascii(full[:SHOWN])[1:-1])
        self.push(Global(full))

    def call(self) -> None:
        """Note a call of a global. Raises OpcodeRefused where anything else would be called."""
        arguments, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, Global):
            raise OpcodeRefused("a call of something that is no global")
        if not isinstance(arguments, tuple):
            raise ValueError(f"a call of {called.name} without arguments")
        made = {ORDERED: dict[str, Any], PARAMETERS: Parameters}.get(called.name)
        self.push(Call(called.name, arguments) if made is None else made())
        if called.name == ORDERED and arguments and isinstance(arguments[0], list):
            self.fill([part for pair in arguments[0] for part in pair])

    def fill(self, values: list[Any]) -> None:
        """Put names and values into the dict on top; other keys are nobody's weights, and other objects take none."""
        if isinstance(self.stack[-1], dict):
            for key, value in zip(values[::2], values[1::2], strict=True):
                if isinstance(key, str):
                    self.stack[-1][key] = value

    def build(self) -> None:
        """Take what the object on top is built from, of which only a dict of parameters keeps its parameters."""
        state = self.stack.pop()
        if isinstance(self.stack[-1], Parameters) and isinstance(state, dict):
            inner = state.get("_parameters")
            self.stack[-1].update(inner if isinstance(inner, dict) else {})

    def storage(self) -> None:
        """Note a storage that is asked for by its persistent id. Raises OpcodeRefused for anything else by one."""
        asked = tuple(self.stack.pop())
        if asked[:1] != ("storage",):
            raise OpcodeRefused(f"{ascii(asked[:1])[1:-2][:SHOWN]} by a persistent id")
        self.asked.append(asked)
        self.push(Call("", asked))

    def extend(self, values: list[Any]) -> None:
        """Put values into the list on top."""
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def remember(self, place: int) -> None:
        self.memory[place] = self.stack[-1]

    def take(self, count: int) -> tuple[Any, ...]:
        """Take and return the last `count` values."""
        if len(self.stack) < count:
            raise ValueError("a pickle that takes more than it has")
        values = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return values


def told(f: Follower, argument: Any) -> None:
    f.push(argument)


Step = Callable[[Follower, Any], Any]
VALUES = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
)
STEPS: dict[str, Step] = {
    **dict.fromkeys(VALUES, told),
    "PROTO": lambda f, number: f.protocols.add(number),
    "FRAME": lambda f, _: None,
    "NONE": lambda f, _: f.push(None),
    "NEWTRUE": lambda f, _: f.push(True),
    "NEWFALSE": lambda f, _: f.push(False),
    "MARK": lambda f, _: f.push(MARK),
    "POP": lambda f, _: f.stack.pop(),
    "POP_MARK": lambda f, _: f.since_mark(),
    "DUP": lambda f, _: f.push(f.stack[-1]),
    "EMPTY_DICT": lambda f, _: f.push({}),
    "EMPTY_LIST": lambda f, _: f.push([]),
    "EMPTY_TUPLE": lambda f, _: f.push(()),
    "EMPTY_SET": lambda f, _: f.push(None),
    "TUPLE": lambda f, _: f.push(tuple(f.since_mark())),
    "TUPLE1": lambda f, _: f.push(f.take(1)),
    "TUPLE2": lambda f, _: f.push(f.take(2)),
    "TUPLE3": lambda f, _: f.push(f.take(3)),
    "LIST": lambda f, _: f.push(f.since_mark()),
    "SETITEM": lambda f, _: f.fill(list(f.take(2))),
    "SETITEMS": lambda f, _: f.fill(f.since_mark()),
    "APPEND": lambda f, _: f.extend([f.stack.pop()]),
    "APPENDS": lambda f, _: f.extend(f.since_mark()),
    "ADDITEMS": lambda f, _: f.since_mark(),
    "PUT": lambda f, place: f.remember(place),
    "BINPUT": lambda f, place: f.remember(place),
    "LONG_BINPUT": lambda f, place: f.remember(place),
    "MEMOIZE": lambda f, _: f.remember(len(f.memory)),
    "GET": lambda f, place: f.push(f.memory[place]),
    "BINGET": lambda f, place: f.push(f.memory[place]),
    "LONG_BINGET": lambda f, place: f.push(f.memory[place]),
    "GLOBAL": lambda f, words: f.name(*words.split(" ", 1)),
    "STACK_GLOBAL": lambda f, _: f.name(*f.take(2)),
    "REDUCE": lambda f, _: f.call(),
    "NEWOBJ": lambda f, _: f.call(),
    "BUILD": lambda f, _: f.build(),
    "BINPERSID": lambda f, _: f.storage(),
}


def follow(stream: BinaryIO, allowed: Collection[str], asked: list[tuple[Any, ...]] | None = None) -> Any:
    """Return what a pickle would make, in words; the stream then stands behind it.

    asked: takes the persistent ids of all storages that it asks for.

    Raises OpcodeRefused for a global outside `allowed` or an opcode that models do without, and ValueError,
    LookupError, TypeError or AttributeError where the pickle makes no sense.
    """
    follower = Follower(allowed, [] if asked is None else asked)
    for number, (code, argument, _) in enumerate(pickletools.genops(stream)):
        if code.name == "STOP":
            if strange := follower.protocols - {PROTOCOL}:
                raise ValueError(f"a pickle of protocol {max(strange)}, torch writes {PROTOCOL}")
            return follower.stack.pop()
        if number > MOST_OPCODES:
            raise ValueError(f"a pickle of more than {MOST_OPCODES} opcodes")
        if code.name not in STEPS:
            raise OpcodeRefused(f"the opcode {code.name}")
        STEPS[code.name](follower, argument)
    raise ValueError("a pickle without an end")
