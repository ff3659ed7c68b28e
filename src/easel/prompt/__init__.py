"""Floor 1, the language of prompts: emphasis, chunks of tokens, and the infotext that records a request.

Pure Python over plain text and token numbers; it knows no tensors, no tokenizer files and no models.
"""
