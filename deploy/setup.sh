#!/usr/bin/env bash
# Build .venv from the lock: Python, locked packages with hashes, this project in place.
# The Makefile runs it when pyproject.toml, a lock or this file changed; PYTHON names an interpreter to use.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 1; }

suits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.12 python3.11 python3.13; do
        if suits "$candidate"; then echo "$candidate"; return; fi
    done
    stop "needs Python 3.11, 3.12 or 3.13; none found. Install one (apt-get install python3) or name it: make setup PYTHON=/path/to/python3"
}

install_venv_module() {
    local package
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        stop "this Python cannot make environments. Install $package (as root: apt-get install $package) and run again"
    fi
    say "installing $package"
    apt-get update -qq || true # an old package list may still do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
        stop "could not install $package"
}

make_venv() {
    if [ -x .venv/bin/python ] && suits .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; then return; fi
    local python
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || install_venv_module "$python"
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
}

# An office's mirror and its own certificate authority, set for pip and the system, serve uv as well.
follow_the_office() {
    local index
    index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
    if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then export UV_DEFAULT_INDEX="$index"; fi
    if [ -s /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}; fi
    if [ -n "${PIP_CERT:-}" ] && [ -z "${SSL_CERT_FILE:-}" ]; then export SSL_CERT_FILE="$PIP_CERT"; fi
}

install_with_uv() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/uv.lock.txt || return 1
    local uv=(.venv/bin/uv pip install --quiet --python .venv/bin/python)
    UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180} "${uv[@]}" --compile-bytecode --require-hashes -r requirements.lock || return 1
    "${uv[@]}" --no-deps --no-build-isolation -e . || return 1
}

# Slower, but it knows every setting of pip: find-links folders, extra indexes, proxies. The lock is complete, and pip
# in hash mode does not accept that an extra (gql[requests]) is pinned without its brackets: hence --no-deps.
install_with_pip() {
    local pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
    "${pip[@]}" --no-deps --require-hashes -r requirements.lock
    "${pip[@]}" --no-deps --no-build-isolation -e .
}

# As pip does with what it installs: where an environment forbids Python to keep bytecode, every start would compile.
compile_rooms() {
    .venv/bin/python -m compileall -q -j 0 core ingest quality orchestration alerting access dashboards city cli || true
}

make_venv
follow_the_office
say "installing the locked packages"
install_with_uv || { say "uv could not do it; once more with pip (minutes)"; install_with_pip; }
compile_rooms
touch .venv/.setup-done
say "ready: .venv/bin/cityrisk --help"
