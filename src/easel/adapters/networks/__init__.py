"""Extra networks that change a model's weights: LoRA and its kin, read, fitted, merged, or worn by single rows.

names, alpha, reading    a file's keys to pieces: what each changes, under the name that the file uses
lowrank, hadamard ...    one file a kind; change.py says what a kind is, kinds.py is their table
aliases, fitting         the file's names beside the modules of a model
merging, rows            the two ways of wearing them
blocks, origin, hashes   weights by block; for which family a file is made; the names people give to a file
"""
