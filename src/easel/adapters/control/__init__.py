"""Control models: rows of a forward led by a picture's edges, depths, poses, or by a reference. One file a build.

`loading.load_control` reads a file; what it gives is fitted to a model, prepares hints once, and acts on rows.
"""
