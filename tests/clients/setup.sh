#!/bin/sh
# Installs the real API clients that the tests drive, each in a place of its own, from the package registries that pip,
# npm and cargo are set up for. Needs python3 with its venv module, node with npm, and Rust. Run again it does nothing
# but compare stamps: an installation is made anew only when its requirement file, or the interpreter, is another one.
#
#   tests/clients/setup.sh          installs into tests/clients/.venvs, or into $TWSMUX_CLIENTS_DIR
set -eu
exec </dev/null

here=$(cd "$(dirname "$0")" && pwd)
target=${TWSMUX_CLIENTS_DIR:-$here/.venvs}
mkdir -p "$target"
target=$(cd "$target" && pwd)

say() { printf '%s\n' "clients: $*"; }
die() { printf '%s\n' "clients: $*" >&2; exit 1; }

command -v python3 >/dev/null 2>&1 || die "python3 is needed and was not found"
command -v node >/dev/null 2>&1 || die "node is needed and was not found"
command -v npm >/dev/null 2>&1 || die "npm is needed and was not found"
command -v cargo >/dev/null 2>&1 || die "cargo is needed and was not found (https://rustup.rs installs it)"
python3 -c 'import venv, ensurepip' 2>/dev/null \
  || die "python3 has no venv module with ensurepip (on Debian: apt-get install python3-venv)"

# The stamp of an installation: the interpreter's version and the content of the files that decide what is installed.
stamp_of() {
  interpreter=$1; shift
  { "$interpreter" --version; cat "$@"; } 2>&1 \
    | python3 -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
}

is_done() { [ -f "$target/$1/.stamp" ] && [ "$(cat "$target/$1/.stamp")" = "$2" ]; }

# install_python NAME: a virtual environment with exactly what requirements-NAME.txt says.
install_python() {
  name=$1
  requirements=$here/requirements-$name.txt
  stamp=$(stamp_of python3 "$requirements")
  if is_done "$name" "$stamp"; then return 0; fi
  rm -rf "${target:?}/$name"
  python3 -m venv "$target/$name" || return 1
  "$target/$name/bin/python" -m pip install --disable-pip-version-check --no-input --quiet -r "$requirements" || return 1
  "$target/$name/bin/python" -m pip check --disable-pip-version-check || return 1
  printf '%s\n' "$stamp" >"$target/$name/.stamp"
}

# install_node: node_modules with exactly what the lock file says.
install_node() {
  stamp=$(stamp_of node "$here/package.json" "$here/package-lock.json")
  if is_done node "$stamp"; then return 0; fi
  rm -rf "${target:?}/node"
  mkdir -p "$target/node"
  cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$target/node/"
  (cd "$target/node" && npm ci --no-audit --no-fund --loglevel=error) || return 1
  printf '%s\n' "$stamp" >"$target/node/.stamp"
}

# build_rust: the driver of the Rust library with it, exactly as the lock file says. Unoptimised: that is built in two
# thirds of the time, and the driver waits for the network. In its directory, so that the project's toolchain is used.
build_rust() {
  cd "$here/rust"
  stamp=$(stamp_of rustc Cargo.toml Cargo.lock src/*.rs src/*/*.rs)
  if is_done rust "$stamp"; then return 0; fi
  CARGO_TARGET_DIR=$target/rust cargo build --locked --quiet || return 1
  printf '%s\n' "$stamp" >"$target/rust/.stamp"
}

# All at once, as each waits mostly for the network; a log each, shown when it failed.
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
trap 'exit 130' INT TERM
pids=
for name in ib_async ib_insync ibapi ibapi-stable; do
  install_python "$name" >"$logs/$name" 2>&1 & pids="$pids $name:$!"
done
install_node >"$logs/node" 2>&1 & pids="$pids node:$!"
build_rust >"$logs/rust" 2>&1 & pids="$pids rust:$!"

failed=
for entry in $pids; do
  name=${entry%%:*}
  if wait "${entry#*:}"; then
    say "$name is in $target/$name"
  else
    say "$name could not be installed:" >&2
    sed 's/^/    /' "$logs/$name" >&2
    failed="$failed $name"
  fi
done
[ -z "$failed" ] || die "not installed:$failed"
