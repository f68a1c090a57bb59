"""First stage: language modelling with random sublayer skips and one early exit a step.

Loss of a step = cross-entropy of the full pass
               + 0.4 * KL(exit from full pass) + 0.1 * cross-entropy of the exit,
where the full pass is the pass with this step's skipped sublayers, the exit is drawn from
EXITS, and every exit uses the model's own final norm and head.
"""

import random

import torch.nn.functional as F

from model import ATTENTION, MLP, Llama
from stage import Stage, parse_arguments, run

EXITS = (3, 4, 6, 8)
HIGHEST_SKIP_RATE = 0.16
EXIT_KL_WEIGHT = 0.4
EXIT_CROSS_ENTROPY_WEIGHT = 0.1


def draw_skipped_sublayers(layers: int) -> set[tuple[int, str]]:
    """Each sublayer at a rate that rises linearly with depth; the first and last layer stay."""
    skipped = set()
    for layer in range(1, layers - 1):
        rate = HIGHEST_SKIP_RATE * (layer / (layers - 2))
        for kind in (ATTENTION, MLP):
            if random.random() < rate:
                skipped.add((layer, kind))
    return skipped


def loss(model: Llama, inputs, targets, step: int):
    """The loss of one step and its figures."""
    skipped = draw_skipped_sublayers(model.config.num_hidden_layers)
    exit_layer = random.choice(EXITS)
    hidden, exits = model(inputs, skipped, (exit_layer,))
    logits = model.head(hidden).float().flatten(0, 1)
    exit_logits = model.head(exits[exit_layer]).float().flatten(0, 1)
    targets = targets.flatten()

    cross_entropy = F.cross_entropy(logits, targets)
    kl = F.kl_div(
        F.log_softmax(exit_logits, -1),
        F.log_softmax(logits.detach(), -1),
        log_target=True,
        reduction="batchmean",
    )
    exit_cross_entropy = F.cross_entropy(exit_logits, targets)
    total = cross_entropy + EXIT_KL_WEIGHT * kl + EXIT_CROSS_ENTROPY_WEIGHT * exit_cross_entropy
    return total, {"loss": cross_entropy.item(), f"kl of exit {exit_layer}": kl.item()}


if __name__ == "__main__":
    run(
        Stage(matrix_rate=0.02, other_rate=3e-3, decay=0.45, loss=loss),
        parse_arguments(__doc__.splitlines()[0], minutes=95, continues=False),
    )
