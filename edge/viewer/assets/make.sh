#!/bin/sh
# Remakes the player that stands in this folder from the exact version of its npm package. Nothing of the package is run. What is kept is
# committed, so that building needs no npm. `git diff` then shows what changed: nothing.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tarball=$(npm pack --ignore-scripts --silent --pack-destination "$work" hls.js@1.7.4)
echo "dc697119d3ef4f6607bd060eb7ec8ecd3fc3122a2bfea255348ca51c0efb9207a805375042a8bbd06c1e7cd11498741e346ca30bc53adbe6ebbaa5bf4e99beb6  $work/$tarball" | sha512sum --check --quiet
tar -xzf "$work/$tarball" -C "$work" --strip-components=1

mkdir -p licences
# The source map is not shipped, so the line that points at it is dropped.
grep -v '^//# sourceMappingURL=' "$work/dist/hls.light.min.js" >hls.light.min.js
cp "$work/LICENSE" licences/hls.js-Apache-2.0.txt
