"""Makes smollm2/greedy.json: greedy continuations by SmolLM2-135M-Instruct, its GGUF read as f32.

The prompts file is a list of {id, text or messages, new}; messages go through the chat template.
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from continuation import continuation

HERE = Path(__file__).parent
IM_END = 2


def prompt_text(tokenizer, prompt: dict) -> str:
    """The text itself, or the messages as the chat template renders them."""
    if "text" in prompt:
        return prompt["text"]
    return tokenizer.apply_chat_template(prompt["messages"], tokenize=False, add_generation_prompt=True)


def main():
    """Reads the command line and continues every prompt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gguf", type=Path, help="smollm2-135m-instruct.q4_1.gguf")
    parser.add_argument("output", type=Path, help="file to write")
    parser.add_argument("--prompts", type=Path, default=HERE / "smollm2-prompts.json")
    arguments = parser.parse_args()

    folder, file = str(arguments.gguf.parent), arguments.gguf.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
    rows = []
    for prompt in json.loads(arguments.prompts.read_text(encoding="utf-8")):
        text = prompt_text(tokenizer, prompt)
        prompt_ids = tokenizer(text, add_special_tokens=False).input_ids
        result = continuation(model, prompt_ids, prompt["new"], {tokenizer.eos_token_id, IM_END})
        rows.append(
            {
                "id": prompt["id"],
                "prompt": text,
                "prompt_ids": prompt_ids,
                "greedy_ids": result["greedy_ids"],
                "greedy_text": tokenizer.decode(result["greedy_ids"]),
                "top20_after_prompt": result["top20_after_prompt"],
                "margins": result["margins"],
                "logprobs": result["logprobs"],
            }
        )
        print(prompt["id"], len(result["greedy_ids"]), flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, ensure_ascii=False, indent=0)
    arguments.output.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
