#!/bin/sh
# Makes sure that the server programs that the tests and the demo start are on this
# machine: PostgreSQL, and for the tests on Debian a keyring with its bus and pgbouncer. No
# system cluster, no service and no session is created or started. With --ask, for the demo, it says what it will
# install and asks on the terminal before it does.
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

has_pgbouncer() {
    command -v pgbouncer >/dev/null 2>&1 || [ -x /usr/sbin/pgbouncer ]
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Only the tests need a keyring; the demo's key is a file.
if [ "${1:-}" != --ask ] && ! has_keyring && command -v apt-get >/dev/null 2>&1; then
    echo "installing gnome-keyring and dbus (no session is started)"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        gnome-keyring dbus >/dev/null
fi

# Only the tests need a pooler. Debian's package would start a service at once; the system's
# own switch against that is set for as long as the installation takes.
if [ "${1:-}" != --ask ] && ! has_pgbouncer && command -v apt-get >/dev/null 2>&1; then
    echo "installing pgbouncer (no service is started)"
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        pgbouncer >/dev/null
fi

if has_postgres; then
    exit 0
fi

if command -v apt-get >/dev/null 2>&1; then
    manager=apt-get
    packages="the package postgresql by apt-get (Debian's own start of a system cluster is switched off first)"
elif command -v dnf >/dev/null 2>&1; then
    manager=dnf
    packages="the packages postgresql-server and postgresql-contrib by dnf"
elif command -v brew >/dev/null 2>&1; then
    manager=brew
    packages="the formula postgresql@17 by brew"
else
    echo "install PostgreSQL's server programs (initdb, postgres), then try again" >&2
    exit 2
fi

if [ "${1:-}" = --ask ]; then
    if [ ! -t 0 ]; then
        echo "PostgreSQL's server programs are missing, and there is no terminal to ask on" >&2
        echo "remedy: make servers    # installs $packages" >&2
        exit 2
    fi
    echo "PostgreSQL's server programs are missing. This will install $packages;"
    echo "no database of the system is created or started."
    printf 'Install now? [y/N] '
    read -r answer || answer=
    case $answer in
    y | Y | yes) ;;
    *)
        echo "nothing was installed; to do it later: make servers" >&2
        exit 2
        ;;
    esac
fi

case $manager in
apt-get)
    echo "installing postgresql (no system cluster is created)"
    as_root mkdir -p /etc/postgresql-common
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        echo "create_main_cluster = false" |
            as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        postgresql >/dev/null
    ;;
dnf) as_root dnf install -y -q postgresql-server postgresql-contrib ;;
brew) brew install postgresql@17 ;;
esac

has_postgres || { echo "PostgreSQL's server programs were installed but not found" >&2; exit 2; }
