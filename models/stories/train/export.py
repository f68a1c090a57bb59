"""Exports a checkpoint to Hugging Face layout: bf16 safetensors, config, tokenizer, skip file."""

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from model import Config

END_OF_TEXT = "<|endoftext|>"
END_OF_TEXT_ID = 0


def model_config(config: Config) -> dict:
    """config.json of a LlamaForCausalLM."""
    shape = asdict(config)
    initializer_range = shape.pop("initializer_range")
    rope_theta, rms_norm_eps = shape.pop("rope_theta"), shape.pop("rms_norm_eps")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **shape,
        "rms_norm_eps": rms_norm_eps,
        "rope_theta": rope_theta,
        "rope_scaling": None,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "hidden_act": "silu",
        "initializer_range": initializer_range,
        "bos_token_id": END_OF_TEXT_ID,
        "eos_token_id": END_OF_TEXT_ID,
        "pad_token_id": END_OF_TEXT_ID,
        "torch_dtype": "bfloat16",
        "use_cache": True,
    }


def generation_config(config: Config) -> dict:
    """generation_config.json: greedy, to the end of the context."""
    return {
        "bos_token_id": END_OF_TEXT_ID,
        "eos_token_id": END_OF_TEXT_ID,
        "pad_token_id": END_OF_TEXT_ID,
        "do_sample": False,
        "max_length": config.max_position_embeddings,
    }


def tokenizer_config(config: Config) -> dict:
    """tokenizer_config.json beside the tokenizer.json of make_tokenizer.py."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "add_bos_token": True,
        "clean_up_tokenization_spaces": False,
        "model_max_length": config.max_position_embeddings,
    }


def skip_file(name: str, exit_layer: int, layers: int) -> str:
    """skip_layers.json: draft by skipping everything after `exit_layer` layers; one line a list."""
    skipped = json.dumps(list(range(exit_layer, layers)))
    return (
        '{\n  "format": "drafthorse/skip@1",\n'
        f'  {json.dumps(name)}: {{\n    "attention": {skipped},\n    "mlp": {skipped}\n  }}\n}}\n'
    )


def main():
    """Reads the command line and writes the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, help="model.pt of tune.py")
    parser.add_argument("tokenizer", type=Path, help="tokenizer.json of make_tokenizer.py")
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("--name", default="stories", help="key in the skip file (default %(default)s)")
    parser.add_argument("--exit-layer", type=int, default=3, help="layers a draft keeps (default %(default)s)")
    arguments = parser.parse_args()

    config = Config()
    arguments.output.mkdir(parents=True, exist_ok=True)
    weights = {
        f"model.{name}": value.to(torch.bfloat16).contiguous()
        for name, value in torch.load(arguments.checkpoint).items()
    }
    save_file(weights, arguments.output / "model.safetensors", metadata={"format": "pt"})
    for name, content in {
        "config.json": model_config(config),
        "generation_config.json": generation_config(config),
        "tokenizer_config.json": tokenizer_config(config),
    }.items():
        (arguments.output / name).write_text(json.dumps(content, indent=2), encoding="utf-8", newline="\n")
    shutil.copyfile(arguments.tokenizer, arguments.output / "tokenizer.json")
    skip = skip_file(arguments.name, arguments.exit_layer, config.num_hidden_layers)
    (arguments.output / "skip_layers.json").write_text(skip, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
