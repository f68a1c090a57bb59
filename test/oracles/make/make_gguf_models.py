"""Makes gguf/<checkpoint>.gguf: checkpoints of hf/ and hf-families/ as llama.cpp's converter lays them out, by gguf-py's
writer.

Names and metadata come from gguf-py. Rows of q and k of a Llama are put in neighbouring pairs, as llama.cpp's rope wants
them; those of the Qwens stay as they are. The rope scaling of Llama 3 becomes a tensor of factors.
"""

import argparse
import json
import math
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors import safe_open

CHECKPOINTS = (
    "hf/gqa-tied-bf16",
    "hf/wide-head-bias-f32",
    "hf/llama3-rope-sharded-f16",
    "hf-families/qwen2",
    "hf-families/qwen3",
)
TYPES = {"torch.bfloat16": Type.BF16, "torch.float16": Type.F16, "torch.float32": Type.F32}
# As llama.cpp calls it, by "model_type"; it writes Mistral as a Llama.
ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
}


def pairs(rows: np.ndarray, heads: int) -> np.ndarray:
    """From rows i and i + half of each head to rows 2i and 2i + 1."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def rope_factors(rope: dict, head_size: int) -> np.ndarray:
    """What Llama 3 divides each frequency by, [head_size / 2]."""
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    factors = []
    for frequency in rope["rope_theta"] ** -(np.arange(0, head_size, 2) / head_size):
        waves = rope["original_max_position_embeddings"] * frequency / (2 * math.pi)
        kept = min(1, max(0, (waves - low) / (high - low)))
        factors.append(1 / ((1 - kept) / rope["factor"] + kept))
    return np.array(factors, np.float32)


def tensors_of(folder: Path):
    """Names, arrays [...] and types; bf16 as its upper 16 bits."""
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():
                tensor = file.get_tensor(name)
                yield name, tensor.float().numpy(), TYPES[str(tensor.dtype)]


def write(folder: Path, output: Path):
    """One checkpoint."""
    config = json.loads((folder / "config.json").read_text())
    heads = config["num_attention_heads"]
    kv_heads = config["num_key_value_heads"]
    head_size = config.get("head_dim") or config["hidden_size"] // heads
    rope = config["rope_parameters"]
    architecture = ARCHITECTURES[config["model_type"]]
    is_llama = architecture == gguf.MODEL_ARCH.LLAMA
    writer = gguf.GGUFWriter(output, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head_size)
    writer.add_value_length(head_size)
    writer.add_rope_dimension_count(head_size)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    names = gguf.get_tensor_name_map(architecture, config["num_hidden_layers"])
    if rope["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", rope_factors(rope, head_size))
    for name, values, kind in tensors_of(folder):
        known = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if is_llama and (".q_proj." in name or ".k_proj." in name):
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
    parser.add_argument("checkpoints", type=Path, help="the folder of hf/ and hf-families/")
    parser.add_argument("output", type=Path, help="folder to write to")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in CHECKPOINTS:
        write(arguments.checkpoints / name, arguments.output / f"{Path(name).name}.gguf")


if __name__ == "__main__":
    main()
