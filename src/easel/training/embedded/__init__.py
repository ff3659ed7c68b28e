"""The embedded model at 256 pixels: its stages from glyphs to figures, on a card or on processor cores."""
