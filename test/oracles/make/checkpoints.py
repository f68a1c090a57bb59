"""What the tiny random checkpoints share: their base shape, their weights, their golden files."""

import json
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

NEW_TOKENS = 24

BASE_SHAPE = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def randomise(model):
    """Weights large enough that every part of the model shows in the logits."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2:
            std = 1.0 if "embed" in name else 1.6 / parameter.shape[1] ** 0.5
            nn.init.normal_(parameter, 0, std)
        elif "norm" in name:
            nn.init.uniform_(parameter, 0.5, 1.5)
        else:
            nn.init.normal_(parameter, 0, 0.3)


@torch.no_grad()
def logits_of(model, ids):
    """Logits [T, V], f32, of a prompt ids [1, T] in one pass."""
    return model(ids).logits[0].float().contiguous()


@torch.no_grad()
def greedy(model, ids):
    """NEW_TOKENS greedy ids after the prompt, whatever they are, and the margins of their logits."""
    output = model.generate(
        ids,
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    best_two = [step[0].float().topk(2).values for step in output.logits]
    margins = [round(float(first - second), 5) for first, second in best_two]
    return output.sequences[0, ids.shape[1] :].tolist(), margins


def skip_cases(layers: int) -> dict[str, dict[str, list[int]]]:
    """The five skip sets, by name."""
    every, last_two = list(range(layers)), list(range(layers - 2, layers))
    return {
        "none": {"attention": [], "mlp": []},
        "middle": {"attention": every[1:-1], "mlp": [1]},
        "mlp-only": {"attention": [], "mlp": every[layers // 2 :]},
        "all-attention": {"attention": every, "mlp": []},
        "suffix": {"attention": last_two, "mlp": last_two},
    }


@contextmanager
def skipping(model, skip: dict[str, list[int]]):
    """The model with sublayers skipped: one whose output projection is zero adds nothing."""
    layers = model.model.layers
    projections = [layers[index].self_attn.o_proj for index in skip["attention"]]
    projections += [layers[index].mlp.down_proj for index in skip["mlp"]]
    kept = [(parameter, parameter.data.clone()) for linear in projections for parameter in linear.parameters()]
    for parameter, _ in kept:
        parameter.data.zero_()
    try:
        yield model
    finally:
        for parameter, value in kept:
            parameter.data.copy_(value)


def golden_cases(folder: Path, model, ids):
    """The golden files of a prompt ids [1, T] for the five skip cases."""
    logits, cases = {}, {}
    for name, skip in skip_cases(model.config.num_hidden_layers).items():
        with skipping(model, skip):
            logits[name] = logits_of(model, ids)
            greedy_ids, margins = greedy(model, ids)
        cases[name] = {"skip": skip, "greedy_ids": greedy_ids, "margins": margins}
    write_golden(folder, ids, logits, cases)


def write_golden(folder: Path, ids, logits: dict[str, torch.Tensor], cases: dict[str, dict]):
    """golden.safetensors (input_ids, logits.<case>) and golden.json (input_ids, cases)."""
    tensors = {"input_ids": ids[0].int()}
    tensors |= {f"logits.{case}": value for case, value in logits.items()}
    save_file(tensors, folder / "golden.safetensors")
    document = {"input_ids": ids[0].tolist(), "cases": cases}
    (folder / "golden.json").write_text(json.dumps(document, indent=1), encoding="utf-8", newline="\n")
