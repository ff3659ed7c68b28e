"""Training programs, and what they are made of: the world that is drawn, networks, how they learn, and the stages.

Imports go one way: learning < networks < world < embedded, companions < the programs, which lie here. With models and
adapters the only home of diffusers and transformers. Serves no request; nothing below imports it.
"""
