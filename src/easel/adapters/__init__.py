"""Floor 3: what bends a model (LoRA, ControlNet, ...) and comes off clean; knows nothing of requests or the engine."""
