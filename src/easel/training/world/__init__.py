"""The world that the embedded model draws: subjects, the scenes they stand in, words and pictures.

Made, not downloaded: glyphs of Noto Color Emoji, names of Unicode CLDR, arithmetic. Knows no model.
"""
