#!/usr/bin/env bash
# What no Python package brings: a browser and a Chinese font to draw pages, two database servers for the tests.
# Installs what is missing with apt when it may; otherwise names it and goes on. Never starts a database service.
set -uo pipefail

has_chromium() {
    local name
    for name in "${CITYRISK_CHROMIUM:-}" chromium chromium-browser google-chrome; do
        [ -n "$name" ] && "$name" --version >/dev/null 2>&1 && return 0
    done
    compgen -G "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}/chromium-*" >/dev/null
}
has_cjk_font() {
    compgen -G '/usr/share/fonts/*/*/*[cC][jJ][kK]*' >/dev/null || compgen -G '/usr/share/fonts/*/wqy/*' >/dev/null ||
        { command -v fc-list >/dev/null && [ -n "$(fc-list :lang=zh-cn family)" ]; }
}
has_postgresql() { command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
has_libatomic() { compgen -G '/usr/lib*/*/libatomic.so.1' >/dev/null || compgen -G '/usr/lib*/libatomic.so.1' >/dev/null; }
has_mariadb() { command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ]; }

missing=()
has_chromium || missing+=(chromium)
has_libatomic || missing+=(libatomic1) # playwright's driver is linked to it
has_cjk_font || missing+=(fonts-wqy-microhei)
has_postgresql || missing+=(postgresql)
has_mariadb || missing+=(mariadb-server)
[ ${#missing[@]} = 0 ] && exit 0

root=()
if [ "$(id -u)" != 0 ] && [ "${CI:-}" = true ] && sudo -n true 2>/dev/null; then root=(sudo -n); fi
if { [ "$(id -u)" != 0 ] && [ ${#root[@]} = 0 ]; } || ! command -v apt-get >/dev/null; then
    echo "setup: not installed: ${missing[*]}. The demo runs without; the tests that need them skip."
    echo "setup: as root on Debian or Ubuntu: apt-get install --no-install-recommends ${missing[*]}"
    exit 0
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Silent when it works; what apt said when it does not.
apt_install() {
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1 ||
        { tail -n 15 "$log"; echo "setup: could not install $*"; return 1; }
}

# Ubuntu's apt package of this name is a door to snap.
apt_has_chromium() {
    local policy
    policy=$(apt-cache policy chromium)
    [[ $policy =~ Candidate:\ [0-9] && ! $policy =~ Candidate:[^$'\n']*snap ]]
}

echo "setup: installing ${missing[*]}"
"${root[@]}" apt-get update -qq || echo "setup: apt-get update failed; trying with the package lists at hand"
for package in "${missing[@]}"; do
    case $package in
    postgresql)  # the tests start their own private server: the package shall make none for the machine
        if apt_install postgresql-common; then
            "${root[@]}" sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
        fi
        ;;
    chromium) # containers lack snap: take the one that playwright brings
        if ! apt_has_chromium; then
            apt_install libatomic1
            .venv/bin/playwright install --with-deps chromium >"$log" 2>&1 ||
                echo "setup: could not download Chromium ($(grep -m 1 Error: "$log")); name one in CITYRISK_CHROMIUM"
            continue
        fi
        ;;
    esac
    apt_install "$package" || true
done
exit 0
