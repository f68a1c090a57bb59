"""Second stage: sharpens the exits after layers 3 and 2, without skipped sublayers.

Loss of a step = cross-entropy of the full pass
               + 1.5 * KL(exit 3 from full pass) + 0.5 * cross-entropy of exit 3 to the full
                 pass's argmax, which is what a greedy draft is judged by
               + every fourth step 1.2 * KL(exit 2 from full pass).
"""

import torch.nn.functional as F

from model import Llama
from stage import Stage, parse_arguments, run

MAIN_EXIT = 3
MAIN_KL_WEIGHT = 1.5
MAIN_ARGMAX_WEIGHT = 0.5
SIDE_EXIT = 2
SIDE_KL_WEIGHT = 1.2
STEPS_PER_SIDE_EXIT = 4


def divergence(log_probabilities, reference):
    """KL(reference || probabilities), mean over rows; both log-probabilities [rows, V]."""
    return F.kl_div(log_probabilities, reference, log_target=True, reduction="batchmean")


def loss(model: Llama, inputs, targets, step: int):
    """The loss of one step and its figures."""

    def log_probabilities(rows):
        return F.log_softmax(model.head(rows).float().flatten(0, 1), -1)

    hidden, exits = model(inputs, exits=(SIDE_EXIT, MAIN_EXIT))
    logits = model.head(hidden).float().flatten(0, 1)
    cross_entropy = F.cross_entropy(logits, targets.flatten())
    reference = F.log_softmax(logits.detach(), -1)

    main = log_probabilities(exits[MAIN_EXIT])
    kl = divergence(main, reference)
    total = cross_entropy + MAIN_KL_WEIGHT * kl
    total = total + MAIN_ARGMAX_WEIGHT * F.nll_loss(main, reference.argmax(-1))
    if step % STEPS_PER_SIDE_EXIT == 0:
        side = log_probabilities(exits[SIDE_EXIT])
        total = total + SIDE_KL_WEIGHT * divergence(side, reference)
    return total, {"loss": cross_entropy.item(), f"kl of exit {MAIN_EXIT}": kl.item()}


if __name__ == "__main__":
    run(
        Stage(matrix_rate=0.008, other_rate=1e-3, decay=0.6, loss=loss),
        parse_arguments(__doc__.splitlines()[0], minutes=21, continues=True),
    )
