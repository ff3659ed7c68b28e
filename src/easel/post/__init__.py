"""Floor 3: pictures to better pictures (upscale, faces, background); samples nothing, knows nothing of requests."""
