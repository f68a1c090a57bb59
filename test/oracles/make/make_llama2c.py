"""Makes stories260K/llama2c_greedy.txt: greedy text by llama2.c's run.c, argument for argument."""

import argparse
import subprocess
from pathlib import Path

PROMPTS = ("", "Zoo", "Once upon a time", "Lily and Tom went to the park", "The dog")
NEW_TOKENS = 200
TITLE = "# Greedy output of karpathy/llama2.c run.c (commit 350e04f, gcc -O2), -t 0, stories260K.bin + tok512.bin\n"


def story(run: Path, weights: Path, tokenizer: Path, prompt: str) -> str:
    """What run prints for one prompt."""
    command = [str(run), str(weights), "-z", str(tokenizer), "-t", "0", "-n", str(NEW_TOKENS), "-i", prompt]
    return subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout


def main():
    """Reads the command line and writes one section a prompt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the program built from run.c")
    parser.add_argument("folder", type=Path, help="folder with stories260K.bin and tok512.bin")
    parser.add_argument("output", type=Path, help="file to write")
    arguments = parser.parse_args()
    sections = [TITLE]
    for prompt in PROMPTS:
        text = story(
            arguments.run.resolve(), arguments.folder / "stories260K.bin", arguments.folder / "tok512.bin", prompt
        )
        sections.append(f"## prompt: '{prompt}' (-n {NEW_TOKENS})\n{text}\n")
    arguments.output.write_text("".join(sections), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
