"""Text encoders: words to tokens, and tokens to what a denoiser reads."""
