"""Motion modules (AnimateDiff): attention over time between rows of a forward that are the frames of one clip.

Guo et al. 2024, arXiv:2307.04725. loading reads a file, coupling is what a forward wears.
"""
