"""Makes gguf/quantized.safetensors: random rows and the bytes that gguf-py's quantisers make of them.

Tensors: values, f32 [rows, 256], of sizes from 1e-6 to 1e4, and for each type <TYPE>.bytes, uint8 as in a file.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file

TYPES = ("Q8_0", "Q4_0", "Q4_1")


def main():
    """Reads the command line and writes the rows and their bytes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="file to write")
    parser.add_argument("--seed", type=int, default=6, help="default %(default)s, that of quantized.safetensors")
    arguments = parser.parse_args()
    generator = np.random.default_rng(arguments.seed)
    sizes = 10.0 ** np.arange(-6, 5)
    rows = [generator.standard_normal(256) * size for size in sizes]
    rows.append(np.zeros(256))
    rows.append(np.full(256, 0.75))
    rows.append(np.repeat(generator.standard_normal(8), 32))
    rows.append(np.abs(generator.standard_normal(256)))
    rows.append(-np.abs(generator.standard_normal(256)))
    rows.append(np.round(generator.standard_normal(256) * 4) / 4)
    values = np.stack(rows).astype(np.float32)
    tensors = {"values": values}
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        tensors[f"{name}.bytes"] = gguf.quants.quantize(values, kind).reshape(-1)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, arguments.output)


if __name__ == "__main__":
    main()
