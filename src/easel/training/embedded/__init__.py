"""The embedded model: its stages from glyphs to figures, on a card or on processor cores. Knows no companions."""
