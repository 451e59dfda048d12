#!/bin/sh
# Makes the virtual environment in which the benchmark runs anymask beside the published code.
# Usage: benchmarks/make_peers.sh [FOLDER]     (default: build/peers; about 6 GB with PyTorch)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-"$root/build/peers"}
"${PYTHON:-python3}" -m venv "$folder"
pip() { "$folder/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }
# PyTorch alone first: it must be the exact release that torchvision was built for.
pip install $(grep -E '^torch(vision)?==' "$root/benchmarks/requirements-peers.txt")
pip install -r "$root/benchmarks/requirements-peers.txt"
pip install --editable "$root[torch,openvino]"
"$folder/bin/python" -W ignore -c 'import anymask, cv2, mobile_sam, segment_anything, torchvision, transformers'
echo "$folder/bin/python"
