"""Floor 6: requests kept in a durable queue and given to an engine; knows nothing of tensors or of the web."""
