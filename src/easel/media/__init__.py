"""Floor 1, files: pictures with their infotext, on disk and in memory.

It knows Pillow and the file system. It does not know what an infotext means, nor requests, models or the web.
"""
