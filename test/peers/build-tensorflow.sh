#!/usr/bin/env bash
# Makes tfjs-node of this folder work: its own install script downloads a library from a place that may be out of reach,
# and a binding that fits few versions of Node. Takes TensorFlow from the Python wheel and compiles the binding against it.
# Prints why it cannot, in one line, and exits with 1. Running it again does what is missing.
set -euo pipefail

version=2.15.1
sha256=54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26

fail() { echo "$1" >&2; exit 1; }

cd "$(dirname "$0")"
package=$PWD/node_modules/@tensorflow/tfjs-node
binding=$package/lib/napi-v8/tfjs_binding.node
built=$package/deps/.version

[ -d "$package" ] || fail 'tfjs-node is not installed'
[ "$(uname -s) $(uname -m)" = 'Linux x86_64' ] || fail "TensorFlow is built for Linux x86_64 only, and this is $(uname -s) $(uname -m)"
for tool in g++ python3; do command -v "$tool" >/dev/null || fail "TensorFlow's binding needs $tool to be built"; done
python3 -m pip --version >/dev/null 2>&1 || fail "TensorFlow's library needs pip to be fetched"
[ "$(cat "$built" 2>/dev/null || true)" = "$version" ] && [ -f "$binding" ] && exit 0

work=$(mktemp -d "$PWD/node_modules/.tensorflow.XXXXXX")
trap 'rm -rf "$work"' EXIT

# No Python code of the wheel runs, so it need not be one for the Python at hand.
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$work" \
  --implementation cp --python-version 3.11 --abi cp311 \
  --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 "tensorflow-cpu==$version" >&2 ||
  fail "pip could not download tensorflow-cpu $version"
wheel=$(echo "$work"/*.whl)
echo "$sha256  $wheel" | sha256sum --check --status || fail "$(basename "$wheel") is not the file that is known"

# The two libraries, and the headers of the C interface with what they include.
python3 - "$wheel" "$work/deps" <<'PYTHON'
import re, shutil, sys
from pathlib import Path
from zipfile import ZipFile

wheel, out = ZipFile(sys.argv[1]), Path(sys.argv[2])
headers = r'include/(tensorflow/c|tensorflow/core/platform|(tensorflow/)?tsl/(c|platform)|xla/tsl/c)/.*\.h'
for name in wheel.namelist():
    inside = name.removeprefix('tensorflow/')
    library = re.fullmatch(r'libtensorflow_(cc|framework)\.so\.2', inside)
    if not library and not re.fullmatch(headers, inside):
        continue
    target = out / ('lib/' + inside if library else inside)
    target.parent.mkdir(parents=True, exist_ok=True)
    with wheel.open(name) as source, target.open('wb') as sink:
        shutil.copyfileobj(source, sink)
PYTHON
ln -s libtensorflow_cc.so.2 "$work/deps/lib/libtensorflow.so.2"
rm -rf "$package/deps" && mv "$work/deps" "$package/deps"

# Node ships its headers beside itself, or not at all.
headers=$(node -p 'require("node:path").resolve(process.execPath, "../../include/node")')
[ -f "$headers/node_api.h" ] || headers=$PWD/node_modules/node-api-headers/include
[ -f "$headers/node_api.h" ] || fail 'this Node came without its headers, and node-api-headers is not installed'
mkdir -p "$(dirname "$binding")"
g++ -O2 -std=gnu++17 -fPIC -shared -DNAPI_VERSION=8 -DNODE_GYP_MODULE_NAME=tfjs_binding -DBUILDING_NODE_EXTENSION \
  -I"$headers" -I"$package/deps/include" "$package"/binding/*.cc -o "$binding" \
  -L"$package/deps/lib" -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 '-Wl,-rpath,$ORIGIN/../../deps/lib' >&2 ||
  fail "TensorFlow's binding could not be compiled"
echo "$version" >"$built"
