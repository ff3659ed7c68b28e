"""Networks merged into a model: every layer they touch has another weight, and a step costs nothing more.

The layers' own weights are kept and put back, so that taking off leaves the model bit for bit as it was. Layers that
keep their weight in few bits cannot take another; they wear theirs as rows do, all rows the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from torch import nn

from easel.adapters.networks.fitting import Wearing
from easel.adapters.networks.layers import is_packed, lasting, put
from easel.adapters.networks.rows import Rack
from easel.adapters.networks.worn import changed_bias, changed_weight, worn_by_layer


def put_on(part: nn.Module, wearing: Wearing) -> Callable[[], None]:
    """Merge networks into a part of a model, in order; return what takes them off again.

    What is put on last must be taken off first. Where memory runs out nothing is left on.
    """
    with ExitStack() as stack, lasting():
        layers = worn_by_layer(wearing)
        packed = [name for name in layers if is_packed(part.get_submodule(name))]
        if packed:
            stack.enter_context(Rack(part, [wearing], packed).on([0]))
        for name, worn in layers.items():
            if name not in packed:
                layer = part.get_submodule(name)
                stack.callback(put(layer, changed_weight(layer, worn), changed_bias(layer, worn)))
        return stack.pop_all().close


@contextmanager
def merged(part: nn.Module, wearing: Wearing) -> Iterator[None]:
    """Let a part of a model wear networks, merged, for as long as the context lasts."""
    take_off = put_on(part, wearing)
    try:
        yield
    finally:
        take_off()
