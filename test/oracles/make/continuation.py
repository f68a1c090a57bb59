"""Greedy continuation of a prompt, with what a test wants to compare: ids, margins, log-probabilities."""

import torch


@torch.no_grad()
def continuation(model, prompt_ids: list[int], new_tokens: int, end_ids: set[int]) -> dict:
    """Continues a prompt one token at a time through the cache; stops after an end token.

    greedy_ids          the new ids, the end token included
    top20_after_prompt  [id, logit] of the twenty best after the prompt, best first
    margins             best logit minus second best, by new token
    logprobs            log-probability of each new token, in nats
    """
    rows, cache = torch.tensor([prompt_ids]), None
    greedy_ids, margins, logprobs, top20 = [], [], [], []
    for _ in range(new_tokens):
        output = model(rows, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        logits = output.logits[0, -1].float()
        best = logits.topk(20)
        if not top20:
            pairs = zip(best.indices, best.values, strict=True)
            top20 = [[int(token), round(float(logit), 5)] for token, logit in pairs]
        token = int(best.indices[0])
        greedy_ids.append(token)
        margins.append(round(float(best.values[0] - best.values[1]), 5))
        logprobs.append(round(float(torch.log_softmax(logits, -1)[token]), 6))
        if token in end_ids:
            break
        rows = torch.tensor([[token]])
    return {
        "greedy_ids": greedy_ids,
        "top20_after_prompt": top20,
        "margins": margins,
        "logprobs": logprobs,
    }
