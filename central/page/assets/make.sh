#!/bin/sh
# Remakes the built files of others that stand in this folder, from exact versions of their npm packages. Nothing of a package is run.
# What is kept is committed, so that building needs no npm. Run it in this folder; `git diff` then shows what changed: nothing.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch PACKAGE@VERSION SHA512 FOLDER
fetch() {
	mkdir "$work/$3"
	tarball=$(npm pack --ignore-scripts --silent --pack-destination "$work" "$1")
	echo "$2  $work/$tarball" | sha512sum --check --quiet
	tar -xzf "$work/$tarball" -C "$work/$3" --strip-components=1
}

fetch leaflet@1.9.4 9f14b5ca7cc93a63a51e9fa22f71725aa2bcf46b4d2fc53caef94c3ac41d4d3b2cc59c025e1f0dd8d07718340e2fe611dd79d6c99031c108b15116fe140ef83c leaflet
fetch @utrecht/component-library-css@9.0.4 81503b0fa19f3fdffe7f37a19182d2051fb450f51303decf66682f4d8404f3c94f4211c6325524f058e60a92ca46c442f61018777d89b85fcacc6e9f9817e324 utrecht
fetch @nl-design-system-unstable/voorbeeld-design-tokens@7.4.1 18d9daa409f69932335d1702becd0932be017fdfa2bd4277cc50492d14f5498a40626db13f0a6d57120cde4e162c9d1ce7d13d15fc6c1013c996e1ae007515be voorbeeld

mkdir -p licences
# The source maps are not shipped, so the lines that point at them are dropped.
grep -v '^//# sourceMappingURL=' "$work/leaflet/dist/leaflet.js" >leaflet.js
cp "$work/leaflet/dist/leaflet.css" leaflet.css
cp "$work/leaflet/LICENSE" licences/leaflet-BSD-2-Clause.txt
cp "$work/utrecht/dist/html.css" utrecht-html.css
cp "$work/utrecht/LICENSE.md" licences/utrecht-component-library-css-EUPL-1.2.md
cp "$work/voorbeeld/dist/theme.css" voorbeeld-theme.css
cp "$work/voorbeeld/LICENSE.md" licences/voorbeeld-design-tokens-EUPL-1.2.md
