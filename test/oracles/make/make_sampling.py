"""Makes sampling.json: next-token distributions after Hugging Face's logits processors.

Order: repetition penalty, temperature, top-k, top-p, min-p, softmax. Each is applied only where its
setting asks for something.
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

HISTORY_LENGTH = 6
VOCAB_SIZES = (8, 33, 64)
SCALES = (1, 3, 6)
TEMPERATURES = (1.0, 0.6, 0.2, 1.7)
TOP_K = (0, 5, 1, 20)
TOP_P = (1.0, 0.95, 0.5, 0.85)
MIN_P = (0.0, 0.0, 0.05)
PENALTIES = (1.0, 1.0, 1.3)


def turn(values: tuple, index: int):
    """The values one after the other, round and round."""
    return values[index % len(values)]


def processors(settings: dict, vocab_size: int) -> list:
    """The processors that the settings ask for, in order."""
    chain = []
    if settings["repetitionPenalty"] != 1:
        chain.append(RepetitionPenaltyLogitsProcessor(settings["repetitionPenalty"]))
    if settings["temperature"] != 1:
        chain.append(TemperatureLogitsWarper(settings["temperature"]))
    if settings["topK"] > 0:
        chain.append(TopKLogitsWarper(min(settings["topK"], vocab_size)))
    if settings["topP"] < 1:
        chain.append(TopPLogitsWarper(settings["topP"]))
    if settings["minP"] > 0:
        chain.append(MinPLogitsWarper(settings["minP"]))
    return chain


def make_case(index: int) -> dict:
    """One case; every fifth has a tie between ids 3 and 5."""
    vocab_size = turn(VOCAB_SIZES, index)
    logits = torch.randn(1, vocab_size) * turn(SCALES, index)
    if index % 5 == 0:
        logits[0, 3] = logits[0, 5]
    settings = {
        "temperature": turn(TEMPERATURES, index),
        "topK": turn(TOP_K, index // 2),
        "topP": turn(TOP_P, index // 3),
        "minP": turn(MIN_P, index),
        "repetitionPenalty": turn(PENALTIES, index // 4),
    }
    history = torch.randint(0, vocab_size, (1, HISTORY_LENGTH))
    processed = logits.clone()
    for processor in processors(settings, vocab_size):
        processed = processor(history, processed)
    return {
        "settings": settings,
        "history": history[0].tolist(),
        "logits": logits[0].tolist(),
        "probabilities": torch.softmax(processed, -1)[0].tolist(),
    }


def main():
    """Reads the command line and writes the cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="file to write")
    parser.add_argument("--seed", type=int, default=5, help="default %(default)s, that of sampling.json")
    parser.add_argument("--cases", type=int, default=60, help="default %(default)s")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    cases = [make_case(index) for index in range(arguments.cases)]
    arguments.output.write_text(json.dumps(cases), encoding="utf-8")


if __name__ == "__main__":
    main()
