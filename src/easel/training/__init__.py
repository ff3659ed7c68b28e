"""Training programs: data made from fonts, objectives, one loop, checkpoints, and the starter they make.

With models and adapters the only home of diffusers and transformers.  Serves no request; nothing below imports it.
"""
