"""Published layouts: what a file is, which part each of its names means, and where the parts of a model come from."""
