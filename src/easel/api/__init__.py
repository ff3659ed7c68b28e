"""Floor 7: the HTTP dialects; they translate and decide nothing about pictures."""
