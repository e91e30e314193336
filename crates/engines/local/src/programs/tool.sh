# Runs a tool that dies with its owner. Usage: sh -c THIS tool COMMAND ARGUMENT..., in a process group of its own
# Standard input is a pipe from the owner, which ends when that does, however it ends; then the whole group is killed.
# What it writes is executed later, and nobody else may change it.
umask 022
exec 3<&0 </dev/null
"$@" 3<&- &
tool=$!
{ read -r _ <&3; kill -s KILL 0; } >/dev/null 2>&1 &
wait "$tool"
status=$?
kill -s KILL $! 2>/dev/null
exit "$status"
