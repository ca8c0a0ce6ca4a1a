#!/bin/sh
# Installs the headless Chromium in which the page is tested, and what drives it, from the registry that npm is set up for;
# both are in packages, so that no download from elsewhere is needed. Run again it does nothing but compare stamps.
#
#   tests/page/setup.sh          installs into tests/page/.browser, or into $TWSMUX_PAGE_DIR
set -eu
exec </dev/null

here=$(cd "$(dirname "$0")" && pwd)
target=${TWSMUX_PAGE_DIR:-$here/.browser}

say() { printf '%s\n' "page: $*"; }
die() { printf '%s\n' "page: $*" >&2; exit 1; }

command -v node >/dev/null 2>&1 || die "node is needed and was not found"
command -v npm >/dev/null 2>&1 || die "npm is needed and was not found"
[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || die "the packaged Chromium is for Linux on x86-64 only"

stamp=$({ node --version; cat "$here/setup.sh" "$here/package-lock.json"; } | cksum)
mkdir -p "$target"
target=$(cd "$target" && pwd)
if [ ! -f "$target/.stamp" ] || [ "$(cat "$target/.stamp")" != "$stamp" ]; then
  rm -rf "$target/node_modules" "$target/chromium" "$target/.stamp"
  cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$target/"
  (cd "$target" && npm ci --no-audit --no-fund --loglevel=error) || die "npm could not install what package.json names"
  mkdir "$target/chromium"
  # The package unpacks into the folder for temporary files; its libraries are used where the system has none.
  TMPDIR=$target/chromium node --input-type=module - "$target/node_modules/@sparticuz/chromium" <<'NODE' || die "Chromium could not be unpacked"
const from = process.argv[2];
const { inflate } = await import(`${from}/build/esm/lambdafs.js`);
for (const part of ["chromium.br", "fonts.tar.br", "swiftshader.tar.br", "al2023.tar.br"]) await inflate(`${from}/bin/${part}`);
NODE
  printf '%s\n' "$stamp" >"$target/.stamp"
fi
say "Chromium is in $target"
