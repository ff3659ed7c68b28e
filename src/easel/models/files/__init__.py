"""Weights files: what they hold, how their tensors are read and written, and weights in few bits."""
