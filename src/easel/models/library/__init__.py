"""Which files there are: names, kinds, folders of other programs, the index, hashes."""
