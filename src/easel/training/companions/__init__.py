"""What goes with the embedded model: a LoRA of few steps, a ControlNet, a picture prompt, an upscaler.

Each learns beside the finished model, on compositions of the world. Knows nothing of how that model was made.
"""
