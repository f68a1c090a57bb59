"""Makes gguf/blocks.safetensors: random blocks of 15 GGUF types and gguf-py's values of them.

Tensors: <TYPE>.bytes, uint8 as in a file, and <TYPE>.values, f32. Blocks whose values are not finite,
all near zero or huge are drawn again: such scales do not occur in models.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file

TYPES = (
    *("F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"),
    *("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4"),
)
VALUES_PER_TYPE = 512
LEAST_MAGNITUDE, GREATEST_MAGNITUDE = 1e-4, 1e3


def is_plausible(values: np.ndarray) -> bool:
    """Whether a block could come from a model."""
    greatest = np.abs(values).max()
    return bool(np.isfinite(values).all() and LEAST_MAGNITUDE < greatest < GREATEST_MAGNITUDE)


def random_blocks(generator: np.random.Generator, kind: gguf.GGMLQuantizationType) -> np.ndarray:
    """Plausible random blocks, [blocks, bytes of a block]."""
    values_per_block, bytes_per_block = gguf.GGML_QUANT_SIZES[kind]
    blocks: list[np.ndarray] = []
    while len(blocks) < max(2, VALUES_PER_TYPE // values_per_block):
        block = generator.integers(0, 256, bytes_per_block, dtype=np.uint8)
        with np.errstate(all="ignore"):
            values = gguf.quants.dequantize(block[None], kind).astype(np.float32)
        if is_plausible(values):
            blocks.append(block)
    return np.stack(blocks)


def main():
    """Reads the command line and writes the blocks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="file to write")
    parser.add_argument("--seed", type=int, default=3, help="default %(default)s, that of blocks.safetensors")
    arguments = parser.parse_args()
    generator = np.random.default_rng(arguments.seed)
    tensors = {}
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        blocks = random_blocks(generator, kind)
        tensors[f"{name}.bytes"] = blocks.reshape(-1)
        tensors[f"{name}.values"] = gguf.quants.dequantize(blocks, kind).astype(np.float32).reshape(-1)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, arguments.output)


if __name__ == "__main__":
    main()
