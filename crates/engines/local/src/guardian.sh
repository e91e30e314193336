# Takes away what a test process leaves when it is killed. Usage: sh -c THIS guardian RUN FOLDER
# Standard input is a pipe from that process. It says "done" when there is nothing to do; otherwise the pipe just ends.
trap '' INT TERM HUP
while read -r word; do
    [ "$word" = done ] && exit 0
done

# Every process of the run has this variable.
members() {
    grep -lsaxzF "TESTCELERY_OWNER=$1" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do echo "$pid"; done
}

# Twice nobody: a process that was about to be started when its owner died shows a little later.
nobody=0
looks=0
while [ "$nobody" -lt 2 ] && [ "$looks" -lt 100 ]; do
    looks=$((looks + 1))
    if [ -d /proc/self ]; then
        pids=$(members "$1")
    else
        # Without /proc the groups of the main processes have to do.
        pids=$(for file in "$2"/*/pid; do read -r pid _ <"$file" && kill -0 "-$pid" && echo "-$pid"; done 2>/dev/null)
    fi
    if [ -n "$pids" ]; then
        nobody=0
        kill -KILL $pids 2>/dev/null
        sleep 0.05
    else
        nobody=$((nobody + 1))
        [ "$nobody" -lt 2 ] && sleep 0.3
    fi
done
rm -rf -- "$2"
rmdir -- "${2%/*}" 2>/dev/null
exit 0
