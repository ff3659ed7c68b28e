"""How forwards run on a graphics card: at few widths, compiled, recorded and replayed, decodes beside steps.

Nothing here was measured on a card. The bookkeeping knows no device, and tests hold its laws on a processor; what talks
to CUDA stands in recording.py and lanes.py. Knows modules and tensors; knows no family, no requests and no scheduler.
"""
