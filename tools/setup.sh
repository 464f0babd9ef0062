#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tools/setup.sh [check|bench|plots]: sees to it that this machine can build and run Ringside.
#
# `make setup` calls it, and so does every target that README names. It asks nothing. When nothing is missing it only
# looks at files: no network, no package tool. Otherwise it installs what is missing with apt-get, as root or by
# `sudo -n`; if it may not, it prints the packages in one line and exits 5. `check`, `bench` and `plots` add what
# `make check`, `make bench` and `make plots` need: for tests, a browser, and what drives it, below build/deps/page.
#
# Unicorn 2.1 is the emulator that the machine stands on; 2.0 cannot model address spaces. In this order:
#   UNICORN_PREFIX=DIR      the caller's own, checked
#   build/deps/unicorn/usr  unpacked earlier
#   the system's            if pkg-config finds 2.1 or later, or apt offers it and we may install
#   trixie's packages       fetched through this machine's own Debian source entry with the suite replaced, into
#                           private apt directories, and unpacked in build/deps/unicorn; the system stays as it is
#
# Exit status: 0 ready; 5 something is missing and could not be got.

set -eu
cd "$(dirname "$0")/.."

deps=${BUILD:-build}/deps
suite=trixie

# package, then a file that shows it is there
requirements='
gcc                 /usr/bin/gcc
binutils            /usr/bin/ar
libc6-dev           /usr/lib/x86_64-linux-gnu/libc.a
pkg-config          /usr/bin/pkg-config
musl-tools          /usr/bin/musl-gcc
libcapstone-dev     /usr/include/capstone/capstone.h
libelf-dev          /usr/include/libelf.h
libdw-dev           /usr/include/elfutils/libdw.h
libjansson-dev      /usr/include/jansson.h
libinih-dev         /usr/include/ini.h
nettle-dev          /usr/include/nettle/sha2.h
libcmocka-dev       /usr/include/cmocka.h
libsqlite3-dev      /usr/lib/x86_64-linux-gnu/libsqlite3.a
busybox-static      /usr/share/doc/busybox-static
'
plots_requirements='
fonts-dejavu-core   /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
gnuplot-nox         /usr/bin/gnuplot
'
check_requirements='
chromium            /usr/bin/chromium
fonts-dejavu-core   /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
valgrind            /usr/bin/callgrind_annotate
nodejs              /usr/bin/node
npm                 /usr/bin/npm
'
bench_requirements='
valgrind            /usr/bin/valgrind
'

say() { printf 'setup: %s\n' "$*" >&2; }
give_up() {
    say "$*"
    exit 5
}

# The packages of a list (as above) whose file is not there, on one line.
missing_of() {
    local package file
    while read -r package file; do
        [ -z "$package" ] || [ -e "$file" ] || printf '%s ' "$package"
    done <<<"$1"
}

# ---- packages of this machine's own release

as_root=()
may_install() {
    [ -x /usr/bin/apt-get ] || return 1
    [ "$(id -u)" != 0 ] || return 0
    command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
    as_root=(sudo -n)
}

install_packages() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends \
        -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install "$@" >&2
}

refresh_lists() {
    "${as_root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 update >&2 || say "apt-get update failed; trying with the lists there are"
}

set_up_packages() {
    local missing
    missing=$(missing_of "$1")
    [ -n "$missing" ] || return 0
    may_install || give_up "please install, as root: apt-get install ${missing% }"
    say "installing ${missing% }"
    refresh_lists
    # shellcheck disable=SC2086  # one word each
    install_packages $missing || give_up "could not install: ${missing% }"
    missing=$(missing_of "$1")
    [ -z "$missing" ] || give_up "installed, but still not usable: ${missing% }"
}

# ---- Unicorn

# Is there a Unicorn 2.1 or later below prefix $1, library included?
good_unicorn() {
    local header=$1/include/unicorn/unicorn.h major minor
    [ -f "$header" ] || return 1
    compgen -G "$1/lib/libunicorn.so" >/dev/null || compgen -G "$1/lib/*/libunicorn.so" >/dev/null || return 1
    major=$(sed -n 's/^#define UC_API_MAJOR \([0-9]*\).*/\1/p' "$header")
    minor=$(sed -n 's/^#define UC_API_MINOR \([0-9]*\).*/\1/p' "$header")
    [ "${major:-0}" -gt 2 ] || { [ "${major:-0}" = 2 ] && [ "${minor:-0}" -ge 1 ]; }
}

system_unicorn() {
    [ -x /usr/bin/pkg-config ] && pkg-config --atleast-version=2.1 unicorn 2>/dev/null
}

# Does this release's own archive have a good one, and may we install it?
install_system_unicorn() {
    local offered
    may_install || return 1
    offered=$(apt-cache policy libunicorn-dev 2>/dev/null | sed -n 's/^ *Candidate: //p')
    dpkg --compare-versions "${offered:-0}" ge 2.1 2>/dev/null || return 1
    say "installing libunicorn-dev $offered"
    install_packages libunicorn-dev && system_unicorn
}

# The first one-line entry (*.list) of Debian's main archive, with the suite replaced.
source_from_list() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk -v codename="$1" -v suite="$suite" '
        $1 != "deb" { next }
        {
            options = ""; field = 2
            if ($2 ~ /^\[/) { do options = options " " $field; while ($(field++) !~ /\]$/) }
            if ($(field + 1) != codename && $(field + 1) != "stable" && $(field + 1) != suite) next
            print "deb" options, $field, suite, "main"
            exit
        }'
}

# The same from a deb822 stanza (*.sources).
source_from_stanza() {
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk -v codename="$1" -v suite="$suite" -v RS= '
        /(^|\n)Enabled: *no/ || !/(^|\n)Types:[^\n]*deb( |\n|$)/ { next }
        {
            stanza = "Types: deb\nSuites: " suite "\nComponents: main\n"; mine = 0; keep = 0
            lines = split($0, line, "\n")
            for (i = 1; i <= lines; i++) {
                if (line[i] ~ /^[^ \t#]/) keep = line[i] ~ /^(URIs|Signed-By|Trusted):/
                if (line[i] !~ /^#/ && keep) stanza = stanza line[i] "\n"
                if (line[i] ~ /^Suites:/)
                    mine = (line[i] " ") ~ ("[ \t](" codename "|stable|" suite ")[ \t]")
            }
            if (mine) { printf "%s", stanza; exit }
        }'
}

# Writes the source entry below $1; false if this machine has none of Debian's.
write_source() {
    local codename entry
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    entry=$(source_from_stanza "$codename")
    if [ -n "$entry" ]; then
        printf '%s\n' "$entry" >"$1/debian.sources"
        source_file=$1/debian.sources
        return 0
    fi
    entry=$(source_from_list "$codename")
    [ -n "$entry" ] || return 1
    printf '%s\n' "$entry" >"$1/debian.list"
    source_file=$1/debian.list
}

fetch_unicorn() {
    local work=$1
    local private=(-qq -o "Dir::Etc::sourcelist=$source_file" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
        -o "Dir::Cache=$work/cache" -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=3)
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    apt-get "${private[@]}" update >&2 || return 1
    (cd "$work" && apt-get "${private[@]}" download libunicorn2t64 libunicorn-dev >&2)
}

unpack_unicorn() {
    local work package source_file
    mkdir -p "$deps"
    work=$(mktemp -d "$PWD/$deps/setup.XXXXXX")
    # shellcheck disable=SC2064  # now, not then
    trap "rm -rf '$work'" EXIT
    write_source "$work" || give_up "no Debian source entry found to get Unicorn 2.1 through; install it and set UNICORN_PREFIX="
    say "fetching Unicorn 2.1 of Debian $suite into $deps"
    fetch_unicorn "$work" || give_up "could not fetch libunicorn2t64 and libunicorn-dev of Debian $suite; install Unicorn 2.1 and set UNICORN_PREFIX="
    for package in "$work"/*.deb; do
        dpkg-deb -x "$package" "$work/tree"
    done
    good_unicorn "$work/tree/usr" || give_up "what Debian $suite offers is not Unicorn 2.1"
    rm -rf "$deps/unicorn"
    mv "$work/tree" "$deps/unicorn"
}

set_up_unicorn() {
    if [ -n "${UNICORN_PREFIX:-}" ]; then
        good_unicorn "$UNICORN_PREFIX" || give_up "UNICORN_PREFIX=$UNICORN_PREFIX does not hold Unicorn 2.1 or later"
        return 0
    fi
    good_unicorn "$deps/unicorn/usr" && return 0
    system_unicorn && return 0
    install_system_unicorn && return 0
    unpack_unicorn
}

# ---- what drives the browser of tests/page, as its lock file says

set_up_browser_driver() {
    cmp -s tests/page/package-lock.json "$deps/page/package-lock.json" && [ -d "$deps/page/node_modules/speedscope" ] && return 0
    say "fetching what tests/page needs into $deps/page"
    mkdir -p "$deps/page"
    cp tests/page/package.json tests/page/package-lock.json "$deps/page/"
    npm ci --prefix "$deps/page" --no-audit --no-fund --loglevel=error >&2 && return 0
    rm -rf "$deps/page"
    give_up "could not fetch what tests/page/package.json names by npm"
}

[ "$(uname -m)" = x86_64 ] || give_up "Ringside needs an x86-64 host"
case ${1:-} in
check) requirements+=$check_requirements$plots_requirements ;;
bench) requirements+=$bench_requirements ;;
plots) requirements+=$plots_requirements ;;
esac
set_up_packages "$requirements"
set_up_unicorn
[ "${1:-}" != check ] || set_up_browser_driver
