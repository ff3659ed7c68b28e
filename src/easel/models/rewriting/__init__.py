"""Checkpoints from checkpoints: converted between layouts and formats, merged."""
