"""Pictures as prompts (IP-Adapter, Ye et al. 2023, arXiv:2308.06721): cross-attentions read pictures beside words.

`loading.load_image_prompt` reads a file, `adapter.ImagePromptAdapter` leads rows by it.
"""
