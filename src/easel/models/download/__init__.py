"""Models fetched from Hugging Face, Civitai and plain web addresses: what is meant, which files, and the bytes.

`plans.plan` says what would be fetched, `bring.bring` fetches it. Nothing here knows torch or what is in a
model's file.
"""
