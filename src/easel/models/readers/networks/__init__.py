"""The networks of preprocessors as they were published: their layers under the names that the weights files have.

Each is written from its architecture. They know tensors, and no pictures or files.
"""
