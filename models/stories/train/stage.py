"""What both training stages share: optimisers, schedule, loop, evaluation, checkpoints.

A stage (train.py, tune.py) brings its rates and one function, `loss(model, inputs, targets, step)`,
which returns the loss to minimise and the figures to log.
"""

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from data import load_ids, random_batch
from model import Config, Llama

BATCH_SIZE = 16
WARM_UP = 0.02  # share of the stage
CLIP_NORM = 1.0
EVALUATED_EXITS = (2, 3, 4, 6, 8)
EVALUATION_BATCHES = 4
EVALUATION_BATCH_SIZE = 8
STEPS_BETWEEN_LOGS = 20
SECONDS_BETWEEN_EVALUATIONS = 600


@dataclass(frozen=True)
class Stage:
    """The rates of one stage and its loss."""

    matrix_rate: float  # peak learning rate of Muon
    other_rate: float  # peak learning rate of AdamW
    decay: float  # share of the stage, at its end, in which the rate falls to zero
    loss: Callable


def parse_arguments(description: str, minutes: float, continues: bool) -> argparse.Namespace:
    """The command line of a stage; `continues` adds the checkpoint to start from."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("data", type=Path, help="folder with train.npy and val.npy")
    parser.add_argument("output", type=Path, help="checkpoint to write, e.g. run/model.pt")
    if continues:
        parser.add_argument("--start", type=Path, required=True, help="checkpoint of the stage before")
    parser.add_argument("--minutes", type=float, default=minutes, help="length (default %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--no-compile", action="store_true", help="do not compile the sublayers")
    return parser.parse_args()


def rate_factor(progress: float, decay: float) -> float:
    """Warm-up, a flat middle, a linear fall to zero; `progress` runs from 0 to 1."""
    return min(1.0, progress / WARM_UP) * min(1.0, (1.0 - progress) / decay)


def make_optimizers(model: Llama, stage: Stage):
    """Pairs (optimiser, peak rate): Muon for the layers' matrices, AdamW for embedding and norms."""
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.dim() == 2 and "embed_tokens" not in name
        (matrices if is_matrix else others).append(parameter)
    muon = torch.optim.Muon(matrices, lr=stage.matrix_rate, weight_decay=0.05, momentum=0.95)
    adamw = torch.optim.AdamW(others, lr=stage.other_rate, betas=(0.9, 0.95), weight_decay=0.0)
    return [(muon, stage.matrix_rate), (adamw, stage.other_rate)]


@torch.no_grad()
def evaluate(model: Llama, held_out) -> dict[str, float]:
    """Held-out loss in nats a token, and how often each exit's argmax is the full model's.

    The windows are the same every time.
    """
    model.eval()
    generator = torch.Generator().manual_seed(1)
    length = model.config.max_position_embeddings
    totals = {"loss": 0.0} | {f"match{count}": 0.0 for count in EVALUATED_EXITS}
    for _ in range(EVALUATION_BATCHES):
        inputs, targets = random_batch(held_out, EVALUATION_BATCH_SIZE, length, generator)
        with torch.autocast("cpu", torch.bfloat16):
            hidden, exits = model(inputs, exits=EVALUATED_EXITS)
            logits = model.head(hidden).float()
            best = logits.argmax(-1)
            totals["loss"] += F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
            for count, rows in exits.items():
                matches = model.head(rows).argmax(-1) == best
                totals[f"match{count}"] += matches.float().mean().item()
    model.train()
    return {name: round(total / EVALUATION_BATCHES, 4) for name, total in totals.items()}


def save(model: Llama, file: Path):
    """Writes the weights, f32, under their Hugging Face names without the prefix `model.`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), file)


def run(stage: Stage, arguments: argparse.Namespace):
    """Trains for the minutes asked for; checkpoints and evaluates on the way and at the end."""
    torch.manual_seed(arguments.seed)
    random.seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    model = Llama(Config())
    if "start" in arguments:
        model.load_state_dict(torch.load(arguments.start))
    if not arguments.no_compile:
        model.compile_sublayers()
    text = load_ids(arguments.data / "train.npy")
    held_out = load_ids(arguments.data / "val.npy")
    optimizers = make_optimizers(model, stage)
    length = model.config.max_position_embeddings

    def checkpoint():
        print("held out:", evaluate(model, held_out), flush=True)
        save(model, arguments.output)

    start = evaluated = time.time()
    step = tokens = 0
    smooth_loss = None
    while (progress := (time.time() - start) / (arguments.minutes * 60)) < 1:
        factor = rate_factor(progress, stage.decay)
        for optimizer, peak in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = peak * factor

        inputs, targets = random_batch(text, BATCH_SIZE, length)
        with torch.autocast("cpu", torch.bfloat16):
            total, figures = stage.loss(model, inputs, targets, step)
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        for optimizer, _ in optimizers:
            optimizer.step()
            optimizer.zero_grad()

        step += 1
        tokens += inputs.numel()
        loss = figures["loss"]
        smooth_loss = loss if smooth_loss is None else 0.95 * smooth_loss + 0.05 * loss
        if step % STEPS_BETWEEN_LOGS == 0:
            seconds = time.time() - start
            rest = " ".join(f"{name} {value:.3f}" for name, value in figures.items() if name != "loss")
            print(
                f"{seconds:.0f} s, step {step}, {tokens / 1e6:.2f} M tokens, loss {smooth_loss:.3f}, "
                f"{rest}, rate {factor:.2f}, {tokens / seconds:.0f} tokens/s",
                flush=True,
            )
        if time.time() - evaluated > SECONDS_BETWEEN_EVALUATIONS:
            evaluated = time.time()
            checkpoint()
    checkpoint()
