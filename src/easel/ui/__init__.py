"""Floor 7: the web page; it shows and asks, and decides nothing about pictures."""
