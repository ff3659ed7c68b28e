"""Floor 7: the command line. It turns words into requests and results into lines, and decides nothing about pictures.

Modules here import typer and the standard library at the top; everything heavier is imported inside the command that
needs it, so that `easel --help` stays instant and torch loads only where a picture is made.
"""
