"""Makes hf-families/: tiny random Mistral, Qwen2 and Qwen3 checkpoints with golden outputs.

Checkpoint number n draws everything from torch seed SEED + n, n counted from 1.
"""

import argparse
from pathlib import Path

import torch
from transformers import (
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from checkpoints import BASE_SHAPE, golden_cases, randomise

PROMPT_LENGTH = 40  # longer than the window of mistral-window-16

CHECKPOINTS = {
    "mistral": (MistralConfig, MistralForCausalLM, {"sliding_window": None}),
    "mistral-window-16": (MistralConfig, MistralForCausalLM, {"sliding_window": 16}),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, {"rope_theta": 1e6}),
    "qwen3": (
        Qwen3Config,
        Qwen3ForCausalLM,
        {"head_dim": 32, "rope_theta": 1e6, "tie_word_embeddings": True},
    ),
}


def make(folder: Path, name: str, seed: int):
    """One checkpoint with its golden files."""
    config_class, model_class, shape = CHECKPOINTS[name]
    torch.manual_seed(seed)
    config = config_class(**{**BASE_SHAPE, "num_key_value_heads": 2, **shape})
    model = model_class(config).float()
    randomise(model)
    model.save_pretrained(folder)
    model = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(3, config.vocab_size, (1, PROMPT_LENGTH))
    golden_cases(folder, model, ids)


def main():
    """Reads the command line and makes every checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("--seed", type=int, default=300, help="default %(default)s, that of hf-families/")
    arguments = parser.parse_args()
    for number, name in enumerate(CHECKPOINTS, start=1):
        make(arguments.output / name, name, arguments.seed + number)
        print(name)


if __name__ == "__main__":
    main()
