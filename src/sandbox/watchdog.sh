# Owns one database server for a program that may be killed at any moment.
# arguments: the sandbox's folder, the signal that ends the server, the command that makes
# its data folder, the command that is the server; the commands are quoted for eval
# Standard input is a pipe whose other end only the program holds: orders come through
# it, one per line, and its end means that the program is gone.
folder=$1 signal=$2 initialise=$3 serve=$4
server=

stop_server() {
    [ -n "$server" ] || return 0
    # A stopped process ends only after it goes on.
    kill -CONT "$server" 2>/dev/null
    kill -"$signal" "$server" 2>/dev/null
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
        if eval "$initialise" >"$folder/server.log" 2>&1 </dev/null; then
            echo initialised
        else
            echo failed
        fi
        ;;
    start)
        # The server takes the place of the shell in the background, so that $! is its own.
        eval "exec $serve --port=$argument" >>"$folder/server.log" 2>&1 </dev/null &
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
