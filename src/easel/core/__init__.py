"""Floor 0: the words every other floor speaks, and the errors they raise.

Standard library and pydantic only; this floor knows nothing of tensors, models, files or the web.
"""
