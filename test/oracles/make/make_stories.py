"""Makes stories/greedy.json: greedy continuations of story openings by the embedded model, f32 compute."""

import argparse
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from continuation import continuation

HERE = Path(__file__).parent


def main():
    """Reads the command line and continues every opening."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder in Hugging Face layout, e.g. models/stories")
    parser.add_argument("output", type=Path, help="file to write")
    parser.add_argument("--openings", type=Path, default=HERE / "stories-openings.txt", help="one a line")
    parser.add_argument("--new-tokens", type=int, default=160, help="default %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="default %(default)s")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    rows = []
    for prompt in filter(None, arguments.openings.read_text(encoding="utf-8").splitlines()):
        prompt_ids = tokenizer(prompt).input_ids
        result = continuation(model, prompt_ids, arguments.new_tokens, {tokenizer.eos_token_id})
        rows.append(
            {
                "prompt": prompt,
                "prompt_ids": prompt_ids,
                "greedy_ids": result["greedy_ids"],
                "greedy_text": tokenizer.decode(result["greedy_ids"], skip_special_tokens=True),
                "margins": result["margins"],
                "logprobs": result["logprobs"],
                "top20_after_prompt": result["top20_after_prompt"],
            }
        )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, ensure_ascii=False, indent=0)
    arguments.output.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
