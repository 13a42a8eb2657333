#!/bin/sh
# Trains ember anew and puts it where the package ships it. Run in the repository, after `npm ci` and `npm run build`.
#   tools/ember/train.sh [--minutes 70] [--threads 2] [--size medium] [--seed 1]     PYTHON and EMBER_OUT may be set
set -eu
cd "$(dirname "$0")/../.."
out=${EMBER_OUT:-.cache/ember}
"${PYTHON:-python3}" tools/ember/train.py --out "$out" "$@"
npx wick convert "$out/hf" "$out/ember.f32.gguf" --dtype f32
mkdir -p models
npx wick quantize "$out/ember.f32.gguf" models/ember.gguf --type q8_0
npx wick run models/ember.gguf "Tell me about the lighthouse." --temperature 0
