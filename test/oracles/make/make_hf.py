"""Makes hf/: tiny random Llama checkpoints with golden outputs for five skip cases.

Checkpoint number n of a run draws everything from torch seed SEED + n, n counted from 1.
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from checkpoints import BASE_SHAPE, golden_cases, randomise

PROMPT_LENGTH = 24
WHOLE = "5GB"


@dataclass(frozen=True)
class Checkpoint:
    """What sets one checkpoint apart from the base shape."""

    shape: dict = field(default_factory=dict)
    dtype: torch.dtype = torch.float32
    shard_size: str = WHOLE


def llama3_rope(factor: float, original_length: int) -> dict:
    """The rope fields of a Llama 3.1 config."""
    scaling = {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": original_length,
    }
    return {"rope_theta": 500000.0, "rope_scaling": scaling}


CHECKPOINTS = {
    "llama2-f32": Checkpoint(),
    "gqa-tied-bf16": Checkpoint({"num_key_value_heads": 2, "tie_word_embeddings": True}, torch.bfloat16),
    "llama3-rope-sharded-f16": Checkpoint({"num_key_value_heads": 1, **llama3_rope(8.0, 64)}, torch.float16, "150KB"),
    "wide-head-bias-f32": Checkpoint(
        {"head_dim": 32, "attention_bias": True, "mlp_bias": True, "num_hidden_layers": 3}
    ),
    "linear-rope-deep-bf16": Checkpoint(
        {
            "num_hidden_layers": 12,
            "num_key_value_heads": 2,
            "intermediate_size": 96,
            "rope_scaling": {"rope_type": "linear", "factor": 2.0},
        },
        torch.bfloat16,
    ),
}

EXTRA_CHECKPOINTS = {
    "odd-sizes-f32": Checkpoint(
        {
            "hidden_size": 72,
            "intermediate_size": 100,
            "num_attention_heads": 6,
            "num_key_value_heads": 3,
            "head_dim": 20,
            "num_hidden_layers": 5,
            "vocab_size": 331,
        }
    ),
    "llama3-tied-bf16-sharded": Checkpoint(
        {"num_key_value_heads": 2, "tie_word_embeddings": True, **llama3_rope(32.0, 32)}, torch.bfloat16, "120KB"
    ),
    "mqa-f16-eps": Checkpoint({"num_key_value_heads": 1, "rms_norm_eps": 1e-3, "num_hidden_layers": 7}, torch.float16),
}


def make(folder: Path, checkpoint: Checkpoint, seed: int):
    """One checkpoint with its golden files."""
    torch.manual_seed(seed)
    defaults = {"num_key_value_heads": 4, "rms_norm_eps": 1e-5, "tie_word_embeddings": False}
    config = LlamaConfig(**{**BASE_SHAPE, **defaults, **checkpoint.shape})
    model = LlamaForCausalLM(config).float()
    randomise(model)
    model.to(checkpoint.dtype).save_pretrained(folder, max_shard_size=checkpoint.shard_size)
    # Read back: a cast to the narrow type and back would leave the rotary frequencies rounded.
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    ids = torch.randint(3, config.vocab_size, (1, PROMPT_LENGTH))
    golden_cases(folder, model, ids)


def main():
    """Reads the command line and makes every checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("--seed", type=int, default=100, help="default %(default)s, that of hf/")
    parser.add_argument("--extra", action="store_true", help="make three further shapes instead")
    arguments = parser.parse_args()
    checkpoints = EXTRA_CHECKPOINTS if arguments.extra else CHECKPOINTS
    for number, (name, checkpoint) in enumerate(checkpoints.items(), start=1):
        make(arguments.output / name, checkpoint, arguments.seed + number)
        print(name)


if __name__ == "__main__":
    main()
