"""Makes tfjs/: a checkpoint as tfjs weight manifests, by tensorflowjs's own writer and reader.

Four folders: float32, and float16, uint8 and uint16 by tensorflowjs's quantisation. In each,
golden.safetensors holds what read_weights gives back, as f32.
"""

import argparse
import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

SHARD_BYTES = 100000
QUANTISATION = {
    "float32": None,
    "float16": {"float16": ["*"]},
    "uint8": {"uint8": ["*.weight"]},
    "uint16": {"uint16": ["*"]},
}


def weight_modules():
    """tensorflowjs's write_weights and read_weights, without its package init, which imports JAX and more."""
    package = types.ModuleType("tensorflowjs")
    package.__path__ = list(importlib.util.find_spec("tensorflowjs").submodule_search_locations)
    sys.modules["tensorflowjs"] = package
    from tensorflowjs import read_weights, write_weights

    return read_weights, write_weights


def main():
    """Reads the command line and writes the four folders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, help="safetensors file, e.g. hf/llama2-f32/model.safetensors")
    parser.add_argument("output", type=Path, help="folder to write to")
    arguments = parser.parse_args()

    read_weights, write_weights = weight_modules()
    tensors = load_file(arguments.checkpoint)
    group = [{"name": name, "data": data} for name, data in sorted(tensors.items())]
    for name, quantisation in QUANTISATION.items():
        folder = arguments.output / name
        folder.mkdir(parents=True, exist_ok=True)
        manifest = write_weights.write_weights(
            [group],
            str(folder),
            shard_size_bytes=SHARD_BYTES,
            quantization_dtype_map=quantisation,
            write_manifest=False,
        )
        model = {
            "format": "weights-only",
            "generatedBy": "tensorflowjs 4.22.0 write_weights",
            "weightsManifest": manifest,
        }
        (folder / "model.json").write_text(json.dumps(model), encoding="utf-8")
        weights = read_weights.read_weights(manifest, str(folder), flatten=True)
        values = {item["name"]: np.ascontiguousarray(item["data"], dtype=np.float32) for item in weights}
        save_file(values, folder / "golden.safetensors")


if __name__ == "__main__":
    main()
