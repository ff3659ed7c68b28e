"""Floor 5: the engine owns the loop. It gathers the work of all runs, groups what may share a forward, and sends back.

Knows nothing of prompts, samplers or HTTP.
"""
