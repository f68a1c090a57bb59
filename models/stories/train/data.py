"""The encoded corpus: token ids from disk, and random windows of them."""

from pathlib import Path

import numpy as np
import torch


def load_ids(file: Path):
    """Token ids [tokens] of a .npy file that make_tokenizer.py wrote."""
    return torch.from_numpy(np.load(file).astype(np.int64))


def random_batch(ids, count, length, generator=None):
    """`count` windows at random places of `ids`: inputs and next tokens, both [count, length]."""
    starts = torch.randint(0, len(ids) - length - 1, (count,), generator=generator)
    inputs = torch.stack([ids[start : start + length] for start in starts])
    targets = torch.stack([ids[start + 1 : start + 1 + length] for start in starts])
    return inputs, targets
