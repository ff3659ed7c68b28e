"""A look at a part of a model before each forward: whether anything changes what it computes, where its weights lie.

What was compiled or recorded computes what the part did then. Networks by rows, shortcuts, seamless edges and streamed
blocks all hang on a part as hooks or as forwards of its own; a bare part has none. Reads a part; changes nothing.
"""

from __future__ import annotations

from torch import nn


class Look:
    """What of one part is looked at, gathered once, so that a look costs some microseconds.

    Keeps no part alive. A part's layers may change their weights, not their number.
    """

    def __init__(self, part: nn.Module) -> None:
        modules = list(part.modules())
        self._hooks = [hooks for module in modules for hooks in (module._forward_hooks, module._forward_pre_hooks)]
        self._own = [module.__dict__ for module in modules]
        self._tensors = [some for module in modules for some in (module._parameters, module._buffers) if some]

    @property
    def bare(self) -> bool:
        """Whether a forward of the part computes what its class and its weights say, and nothing else."""
        return not any(self._hooks) and not any("forward" in own for own in self._own)

    @property
    def addresses(self) -> tuple[int, ...]:
        """Where every weight lies. Another weight in the same place is read by what was recorded before."""
        return tuple(tensor.data_ptr() for some in self._tensors for tensor in some.values() if tensor is not None)
