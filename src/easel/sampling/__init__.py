"""Floor 1: the mathematics of sampling; knows nothing of models, devices or batching."""
