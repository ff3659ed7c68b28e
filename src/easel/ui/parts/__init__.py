"""Parts of a request that hold pictures and may be several: control units, picture prompts, details, finishing.

tables.py says which fields they have, reading.py makes request parts of what the page holds and back, lists.py what
there is to choose, hints.py draws a hint to look at; widget.py puts it on the page, and js/parts.js draws it.
"""
