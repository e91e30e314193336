# Takes away what a test process leaves when it is killed. Usage: sh -c THIS guardian RUN FOLDER
# Standard input is a pipe from that process. It says "done" when there is nothing to do; otherwise the pipe just ends.
trap '' INT TERM HUP
while read -r word; do
    [ "$word" = done ] && exit 0
done

# Every process of the run has this variable, unless its program has overwritten it, and works in the run's folder, unless it went away.
marked() {
    grep -lsaxzF "TESTCELERY_OWNER=$1" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do echo "$pid"; done
    # Somebody else's shell may work there too, and has variables.
    ls -l /proc/[0-9]*/cwd 2>/dev/null | sed -n "s|.* /proc/\([0-9]*\)/cwd -> .*/$1/.*|\1|p" | while read -r pid; do
        [ -r "/proc/$pid/environ" ] && { grep -qsazE '^[A-Za-z0-9_]+=' "/proc/$pid/environ" || echo "$pid"; }
    done
}

# Whoever writes to where a main process wrote.
writers() {
    for note in "$1"/*/pid; do
        read -r _ _ pipes <"$note" || continue
        for pipe in $pipes; do
            ls -l /proc/[0-9]*/fd/[12] | sed -n "s|.* /proc/\([0-9]*\)/fd/[12] -> pipe:\[$pipe\]\$|\1|p"
        done
    done 2>/dev/null
}

# The groups of the main processes that are noted and still are the ones that were noted.
groups() {
    for note in "$1"/*/pid; do
        read -r pid start _ <"$note" || continue
        if [ -d /proc/self ]; then
            seen=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f20)
            # A number is not given out again as long as there is a group of it, even when its process is gone.
            [ -z "$seen" ] || [ "$seen" = "$start" ] || continue
        fi
        kill -s 0 -- "-$pid" && echo "-$pid"
    done 2>/dev/null
}

# Twice nobody: a process that was about to be started when its owner died shows a little later.
nobody=0
looks=0
while [ "$nobody" -lt 2 ] && [ "$looks" -lt 100 ]; do
    looks=$((looks + 1))
    pids="$(marked "$1") $(writers "$2") $(groups "$2")"
    pids=$(echo $pids)
    if [ -n "$pids" ]; then
        nobody=0
        kill -s KILL -- $pids 2>/dev/null
        sleep 0.05
    else
        nobody=$((nobody + 1))
        [ "$nobody" -lt 2 ] && sleep 0.3
    fi
done
# A program may have left folders in it that not even their owner may write to.
rm -rf -- "$2" 2>/dev/null || { chmod -R u+rwX -- "$2"; rm -rf -- "$2"; }
rmdir -- "${2%/*}" 2>/dev/null
exit 0
