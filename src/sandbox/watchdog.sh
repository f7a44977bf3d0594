# Owns one database server for a program that may be killed at any moment.
# arguments: the server program, initdb, the sandbox's folder, the locale
# Standard input is a pipe whose other end only the program holds: orders come through
# it, one per line, and its end means that the program is gone.
postgres=$1 initdb=$2 folder=$3 locale=$4
server=

stop_server() {
    [ -n "$server" ] || return 0
    # A stopped process ends only after it goes on.
    kill -CONT "$server" 2>/dev/null
    kill -QUIT "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
}

finish() {
    stop_server
    cd / && rm -rf -- "$folder"
    exit 0
}

# An answer to a program that is gone must not end the watchdog before its work is done.
trap '' PIPE
trap finish HUP INT TERM

while read -r order argument; do
    case $order in
    initialise)
        if "$initdb" -D "$folder/data" -U postgres --pwfile="$folder/password" -A scram-sha-256 \
            --locale="$locale" -E UTF8 --no-sync >"$folder/server.log" 2>&1 </dev/null; then
            echo initialised
        else
            echo failed
        fi
        ;;
    start)
        "$postgres" -D "$folder/data" -p "$argument" >>"$folder/server.log" 2>&1 </dev/null &
        server=$!
        echo "$server"
        ;;
    check)
        # Some shells take notice of an ended child only when asked for their jobs.
        jobs >/dev/null 2>&1
        if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then echo running; else echo ended; fi
        ;;
    stop)
        stop_server
        echo stopped
        ;;
    esac
done
finish
