"""Makes gguf/<checkpoint>.gguf: checkpoints of hf/ as llama.cpp's converter lays them out, by gguf-py's writer.

Names and metadata come from gguf-py; rows of q and k are put in neighbouring pairs, as llama.cpp's rope wants them.
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors import safe_open

CHECKPOINTS = ("gqa-tied-bf16", "wide-head-bias-f32")


def pairs(rows: np.ndarray, heads: int) -> np.ndarray:
    """From rows i and i + half of each head to rows 2i and 2i + 1."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def tensors_of(folder: Path):
    """Names, arrays [...] and types; bf16 as its upper 16 bits."""
    with safe_open(folder / "model.safetensors", "pt") as file:
        for name in file.keys():
            tensor = file.get_tensor(name)
            yield name, tensor.float().numpy(), Type.BF16 if str(tensor.dtype) == "torch.bfloat16" else Type.F32


def write(folder: Path, output: Path):
    """One checkpoint."""
    config = json.loads((folder / "config.json").read_text())
    heads = config["num_attention_heads"]
    kv_heads = config["num_key_value_heads"]
    head_size = config.get("head_dim") or config["hidden_size"] // heads
    writer = gguf.GGUFWriter(output, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head_size)
    writer.add_value_length(head_size)
    writer.add_rope_dimension_count(head_size)
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    for name, values, kind in tensors_of(folder):
        known = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if ".q_proj." in name or ".k_proj." in name:
            values = pairs(values, heads if ".q_proj." in name else kv_heads)
        if kind == Type.F32 or values.ndim == 1:
            writer.add_tensor(known, values.astype(np.float32))
        else:
            writer.add_tensor(known, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    """Reads the command line and writes the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", type=Path, help="the folder hf/")
    parser.add_argument("output", type=Path, help="folder to write to")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in CHECKPOINTS:
        write(arguments.checkpoints / name, arguments.output / f"{name}.gguf")


if __name__ == "__main__":
    main()
