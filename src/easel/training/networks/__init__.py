"""The embedded model's networks and words: built, called, written and read. Knows no data and no training program."""
