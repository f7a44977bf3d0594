#!/bin/sh
# Makes sure that the server programs that the tests start are on this machine: PostgreSQL,
# and on Debian a keyring with its bus. Nothing is created or started: the tests make their
# own throw-away servers.
set -eu

has_postgres() {
    command -v initdb >/dev/null 2>&1 && return 0
    for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
        /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
        [ -x "$folder/initdb" ] && return 0
    done
    return 1
}

has_keyring() {
    command -v gnome-keyring-daemon >/dev/null 2>&1 && command -v dbus-daemon >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The test of the keyring says that it was left out where there is none.
if ! has_keyring && command -v apt-get >/dev/null 2>&1; then
    echo "installing gnome-keyring and dbus (no session is started)"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        gnome-keyring dbus >/dev/null
fi

if has_postgres; then
    exit 0
fi

if command -v apt-get >/dev/null 2>&1; then
    echo "installing postgresql (no system cluster is created)"
    as_root mkdir -p /etc/postgresql-common
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        echo "create_main_cluster = false" |
            as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        postgresql >/dev/null
elif command -v dnf >/dev/null 2>&1; then
    as_root dnf install -y -q postgresql-server postgresql-contrib
elif command -v brew >/dev/null 2>&1; then
    brew install postgresql@17
else
    echo "install PostgreSQL's server programs (initdb, postgres), then try again" >&2
    exit 2
fi

has_postgres || { echo "PostgreSQL's server programs were installed but not found" >&2; exit 2; }
