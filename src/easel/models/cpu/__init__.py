"""Layers that compute on a processor what diffusers' own do, in less time. Knows no family and no requests."""
