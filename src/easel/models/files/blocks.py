"""GGUF's number formats: their numbers, and how many weights a block holds in how many bytes. No torch.

From ggml's published description; a test holds it against the gguf package.
"""

from __future__ import annotations

BLOCKS: dict[str, tuple[int, int]] = {  # kind: weights of a block, its bytes
    "Q4_0": (32, 18),
    "Q4_1": (32, 20),
    "Q5_0": (32, 22),
    "Q5_1": (32, 24),
    "Q8_0": (32, 34),
    "Q2_K": (256, 84),
    "Q3_K": (256, 110),
    "Q4_K": (256, 144),
    "Q5_K": (256, 176),
    "Q6_K": (256, 210),
    "IQ4_NL": (32, 18),
    "IQ4_XS": (256, 136),
}

NUMBERED = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0"}
NUMBERED |= {10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 20: "IQ4_NL", 23: "IQ4_XS"}
NUMBERED |= {24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 30: "BF16"}
