"""Trains the byte-level BPE tokenizer on a corpus, then encodes the corpus with it.

Writes tokenizer.json, train.npy and val.npy (uint16 ids) and val.txt. One story in a hundred, at least
50, is held out. Every story starts with <|endoftext|>, id 0.
"""

import argparse
import random
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

SEPARATOR = "<|endoftext|>"
STORIES_FOR_MERGES = 40000
STORIES_PER_BATCH = 1000


def train_tokenizer(stories: list[str], vocab_size: int) -> Tokenizer:
    """A byte-level BPE whose first id is the separator, put before every text it encodes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[SEPARATOR],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
    )
    tokenizer.train_from_iterator(stories, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{SEPARATOR} $A", special_tokens=[(SEPARATOR, 0)])
    return tokenizer


def encode(tokenizer: Tokenizer, stories: list[str]) -> np.ndarray:
    """The ids of all stories, one after the other."""
    ids: list[int] = []
    for start in range(0, len(stories), STORIES_PER_BATCH):
        for encoding in tokenizer.encode_batch(stories[start : start + STORIES_PER_BATCH]):
            ids += encoding.ids
    return np.array(ids, dtype=np.uint16)


def main():
    """Reads the command line and writes the four files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path, help="stories separated by <|endoftext|>")
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("--vocab-size", type=int, default=4096, help="default %(default)s")
    arguments = parser.parse_args()

    text = arguments.corpus.read_text(encoding="utf-8")
    stories = [story.strip() for story in text.split(SEPARATOR) if story.strip()]
    tokenizer = train_tokenizer(stories[:STORIES_FOR_MERGES], arguments.vocab_size)
    random.Random(0).shuffle(stories)
    held_out = max(50, len(stories) // 100)
    validation = encode(tokenizer, stories[:held_out])
    training = encode(tokenizer, stories[held_out:])

    arguments.output.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(arguments.output / "tokenizer.json"))
    np.save(arguments.output / "val.npy", validation)
    np.save(arguments.output / "train.npy", training)
    separator = f"\n{SEPARATOR}\n"
    (arguments.output / "val.txt").write_text(separator.join(stories[:held_out]), encoding="utf-8", newline="\n")
    print(
        f"{len(stories)} stories: {len(training)} tokens to train on, {len(validation)} held out, "
        f"vocabulary {tokenizer.get_vocab_size()}"
    )


if __name__ == "__main__":
    main()
