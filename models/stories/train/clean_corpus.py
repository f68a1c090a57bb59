"""Cleans raw story files into one corpus: repaired text, no story twice.

Input files are UTF-8 text with stories separated by <|endoftext|>, or JSON lists of stories.
"""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path

import ftfy

SEPARATOR = "<|endoftext|>"
KEY_LENGTH = 120
PLAIN_DASHES = str.maketrans({"\u2013": "-", "\u2014": "-"})


def read_stories(file: Path) -> Iterator[str]:
    """The raw stories of one file, in order."""
    text = file.read_text(encoding="utf-8")
    yield from json.loads(text) if file.suffix == ".json" else text.split(SEPARATOR)


def repair(story: str) -> str:
    """Undoes broken encodings, makes quotes and dashes plain, keeps at most one empty line."""
    story = ftfy.fix_text(story, uncurl_quotes=True).translate(PLAIN_DASHES)
    return re.sub(r"\n{3,}", "\n\n", story).strip()


def key(story: str) -> str:
    """Stories with the same key count as one: only the first letters and digits matter."""
    return re.sub(r"[^a-z0-9]", "", story.lower())[:KEY_LENGTH]


def main():
    """Reads the command line and writes the corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", type=Path, nargs="+", help="raw story files, .txt or .json")
    parser.add_argument("--output", type=Path, required=True, help="corpus to write")
    arguments = parser.parse_args()

    stories: dict[str, str] = {}
    for file in arguments.inputs:
        before = len(stories)
        for raw in read_stories(file):
            if story := repair(raw):
                stories.setdefault(key(story), story)
        print(f"{file}: {len(stories) - before} new stories")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    text = f"\n{SEPARATOR}\n".join(stories.values())
    arguments.output.write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(stories)} stories, {len(text.encode())} bytes")


if __name__ == "__main__":
    main()
