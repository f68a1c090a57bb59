"""Makes sentencepiece/: small vocabularies that SentencePiece itself trained, and the ids that it gives to texts."""

import argparse
import io
import json
from pathlib import Path

import sentencepiece

REPOSITORY = Path(__file__).parents[3]
TEXTS = [
    "",
    " ",
    "   ",
    "Once upon a time",
    " leading and trailing ",
    "two  spaces,   three    four",
    "line\nbreak\n\n\ttab\r\n",
    "Row invariance: bit for bit.",
    "the the the thethethe",
    "élèves, naïve, Ångström",
    "日本語のテキスト こんにちは",
    "🙂 👩‍👩‍👧 e\u0301",
    "\u2581 is how spaces are written\u2581\u2581",
    "<s></s><unk><0x0A>",
    "1234567890 3.14159",
    "for (let i = 0; i < n; i++) { sum += a[i] }",
    "\u0000\u0001\u007f\ufeff",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
]


def corpus() -> list[str]:
    """The licence and the stories of the golden data, line by line."""
    licence = (REPOSITORY / "LICENSE").read_text(encoding="utf-8")
    stories = json.loads((REPOSITORY / "test/oracles/stories/greedy.json").read_text(encoding="utf-8"))
    return [line for text in [licence] + [row["greedy_text"] for row in stories] for line in text.splitlines() if line]


def train(prefix: bool, user_defined: list[str]) -> bytes:
    """A BPE vocabulary of 500 tokens with byte fallback, as Llama's is."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()),
        model_writer=model,
        model_type="bpe",
        vocab_size=500,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=prefix,
        character_coverage=0.9995,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        user_defined_symbols=user_defined,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def main():
    """Reads the command line, trains, and encodes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="folder to write")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    for name, prefix, user_defined in [("prefix", True, []), ("bare", False, ["<sep>"])]:
        content = train(prefix, user_defined)
        (output / f"{name}.model").write_bytes(content)
        processor = sentencepiece.SentencePieceProcessor(model_proto=content)
        rows = [
            {"text": text, "ids": processor.encode(text), "decoded": processor.decode(processor.encode(text))}
            for text in TEXTS + [symbol + "x " + symbol for symbol in user_defined]
        ]
        text = json.dumps(rows, ensure_ascii=True, indent=0) + "\n"
        (output / f"{name}.json").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
