"""Measures the exact draft acceptance of skip sets by replaying the model's own greedy stories.

A story and its full key/value cache are recorded once. From every position of the story a draft of
`--depth` tokens is run: it reads the full cache below its start and its own rows above, which is
what a draft sees in real decoding. Survival at depth d is the share of drafts whose first d tokens
are all the full model's. (Running the skipped model over the whole text instead would give every
earlier position a draft's cache, and a wrong figure.)

Shapes: N drafts at once, T tokens of a story, H heads, G key/value heads, D head size.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, logging

# A verification pass of d + 1 rows against a pass of one row, where rows are nearly free:
# used only for the estimate in the last column.
VERIFY_BASE = 1.07
VERIFY_PER_DRAFT = 0.012


@dataclass(frozen=True)
class SkipSet:
    """Layers whose attention or MLP a draft leaves out."""

    name: str
    attention: frozenset[int]
    mlp: frozenset[int]


@dataclass(frozen=True)
class Recording:
    """One greedy story: ids [T], the prompt's length, and by layer keys and values [G, T, D]."""

    ids: torch.Tensor
    prompt_length: int
    keys: list[torch.Tensor]
    values: list[torch.Tensor]


@torch.no_grad()
def record(model, tokenizer, opening: str, new_tokens: int) -> Recording:
    """Continues an opening greedily and keeps the full model's cache."""
    prompt = tokenizer(opening, return_tensors="pt").input_ids
    ids = model.generate(prompt, max_new_tokens=new_tokens, do_sample=False)[0]
    layers = model(ids[None], use_cache=True).past_key_values.layers
    return Recording(
        ids=ids,
        prompt_length=prompt.shape[1],
        keys=[layer.keys[0] for layer in layers],
        values=[layer.values[0] for layer in layers],
    )


def rotate(x, positions, inverse_frequencies):
    """Rotary embedding of x [N, heads, D], each row at its own position [N]."""
    angle = positions[:, None].float() * inverse_frequencies
    cos, sin = torch.cos(angle)[:, None], torch.sin(angle)[:, None]
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Drafts:
    """Drafts from every position of one recording, advanced together, one token a step."""

    def __init__(self, model, recording: Recording, skip: SkipSet):
        self.model, self.recording, self.skip = model, recording, skip
        # A draft starts from the newest committed token: the last of the prompt, or any later one.
        self.starts = torch.arange(recording.prompt_length - 1, len(recording.ids) - 1)
        self.tokens = recording.ids[self.starts]
        self.steps = 0
        layers = model.config.num_hidden_layers
        self.own_keys: list[list[torch.Tensor]] = [[] for _ in range(layers)]
        self.own_values: list[list[torch.Tensor]] = [[] for _ in range(layers)]

    def _attend(self, index: int, attention, h):
        """Attention of the newest row of every draft: h [N, hidden] -> [N, hidden]."""
        config = self.model.config
        groups, size = config.num_key_value_heads, config.head_dim
        count, story_length = len(h), len(self.recording.ids)
        positions = self.starts + self.steps
        frequencies = self.model.model.rotary_emb.inv_freq

        q = rotate(attention.q_proj(h).view(count, -1, size), positions, frequencies)
        k = rotate(attention.k_proj(h).view(count, groups, size), positions, frequencies)
        self.own_keys[index].append(k)
        self.own_values[index].append(attention.v_proj(h).view(count, groups, size))
        q = q.view(count, groups, -1, size)

        full_keys, full_values = self.recording.keys[index], self.recording.values[index]
        full_scores = torch.einsum("nghd,gtd->nght", q, full_keys) / size**0.5
        not_below_start = torch.arange(story_length)[None] >= self.starts[:, None]
        full_scores = full_scores.masked_fill(not_below_start[:, None, None], -1e30)
        own_keys = torch.stack(self.own_keys[index], 1)
        own_values = torch.stack(self.own_values[index], 1)
        own_scores = torch.einsum("nghd,nugd->nghu", q, own_keys) / size**0.5

        weights = torch.softmax(torch.cat((full_scores, own_scores), -1), -1)
        y = torch.einsum("nght,gtd->nghd", weights[..., :story_length], full_values)
        y = y + torch.einsum("nghu,nugd->nghd", weights[..., story_length:], own_values)
        return attention.o_proj(y.reshape(count, -1))

    @torch.no_grad()
    def advance(self):
        """Drafts one more token in every draft; returns them, [N]."""
        decoder = self.model.model
        x = decoder.embed_tokens(self.tokens)
        for index, layer in enumerate(decoder.layers):
            if index not in self.skip.attention:
                x = x + self._attend(index, layer.self_attn, layer.input_layernorm(x))
            if index not in self.skip.mlp:
                x = x + layer.mlp(layer.post_attention_layernorm(x))
        self.tokens = self.model.lm_head(decoder.norm(x)).argmax(-1)
        self.steps += 1
        return self.tokens


def survival(model, recordings: list[Recording], skip: SkipSet, depth: int) -> list[float]:
    """Share of drafts still right after 1, 2, ... `depth` tokens; drafts past a story's end do not count."""
    survived, counted = torch.zeros(depth), torch.zeros(depth)
    for recording in recordings:
        drafts = Drafts(model, recording, skip)
        length = len(recording.ids)
        right = torch.ones(len(drafts.starts), dtype=torch.bool)
        for step in range(depth):
            drafted = drafts.advance()
            positions = drafts.starts + step + 1
            inside = positions < length
            right &= inside & (drafted == recording.ids[positions.clamp(max=length - 1)])
            survived[step] += right.sum()
            counted[step] += inside.sum()
    return (survived / counted).tolist()


def cost(config, skip: SkipSet) -> float:
    """Multiply-adds of a draft token's matrices as a share of the full model's, head included."""
    queries = config.num_attention_heads * config.head_dim
    keys_values = config.num_key_value_heads * config.head_dim
    attention = config.hidden_size * (2 * queries + 2 * keys_values)
    mlp = 3 * config.hidden_size * config.intermediate_size
    head = config.hidden_size * config.vocab_size
    layers = config.num_hidden_layers
    draft = (layers - len(skip.attention)) * attention + (layers - len(skip.mlp)) * mlp + head
    return draft / (layers * (attention + mlp) + head)


def best_gain(shares: list[float], draft_cost: float) -> tuple[float, int]:
    """Tokens a round over the round's cost in full passes, at the best draft length, and that length."""

    def gain(length):
        tokens = 1 + sum(shares[:length])
        return tokens / (length * draft_cost + VERIFY_BASE + VERIFY_PER_DRAFT * length)

    return max((gain(length), length) for length in range(1, len(shares) + 1))


def early_exit(after: int, layers: int) -> SkipSet:
    """The set that keeps the first `after` layers."""
    skipped = frozenset(range(after, layers))
    return SkipSet(f"exit after layer {after}", skipped, skipped)


def neighbours(exit_set: SkipSet) -> list[SkipSet]:
    """Sets near an early exit: one more sublayer or layer kept, at the end or next in order."""
    last, following = max(exit_set.attention), min(exit_set.attention)
    name, attention, mlp = exit_set.name, exit_set.attention, exit_set.mlp
    return [
        SkipSet(f"{name}, last layer kept", attention - {last}, mlp - {last}),
        SkipSet(f"{name}, last MLP kept", attention, mlp - {last}),
        SkipSet(f"{name}, next attention kept", attention - {following}, mlp),
    ]


def main():
    """Reads the command line and prints a table, a skip set a row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder in Hugging Face layout")
    parser.add_argument("openings", type=Path, help="one story opening a line")
    parser.add_argument("--new-tokens", type=int, default=128, help="story length (default %(default)s)")
    parser.add_argument("--depth", type=int, default=8, help="draft length (default %(default)s)")
    parser.add_argument("--exits", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6], help="layers kept")
    parser.add_argument("--neighbours", type=int, nargs="*", default=[], help="exits whose neighbours are tried")
    parser.add_argument("--threads", type=int, default=2, help="default %(default)s")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    logging.set_verbosity_error()  # generate() warns of max_length at every opening
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    lines = arguments.openings.read_text(encoding="utf-8").splitlines()
    recordings = [record(model, tokenizer, line, arguments.new_tokens) for line in lines if line.strip()]
    tokens = sum(len(recording.ids) - recording.prompt_length for recording in recordings)
    print(f"{len(recordings)} openings, {tokens} tokens\n")

    layers = model.config.num_hidden_layers
    sets = [early_exit(after, layers) for after in arguments.exits]
    for after in arguments.neighbours:
        sets += neighbours(early_exit(after, layers))
    depths = " | ".join(str(step + 1) for step in range(arguments.depth))
    print(f"| draft | cost | {depths} | estimated gain |")
    print("|" + " --- |" * (arguments.depth + 3))
    for skip in sets:
        shares = survival(model, recordings, skip, arguments.depth)
        share = cost(model.config, skip)
        gain, length = best_gain(shares, share)
        cells = " | ".join(f"{value:.3f}" for value in shares)
        print(f"| {skip.name} | {share:.3f} | {cells} | {gain:.2f} at {length} |", flush=True)


if __name__ == "__main__":
    main()
