"""Floor 2: families of models and how their files become tensors; the only home of diffusers and transformers here.

Knows nothing of requests, recipes or the engine.
"""
