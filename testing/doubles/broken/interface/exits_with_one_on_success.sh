#!/bin/sh
# breaks: spec/1.1.0/errors/1
# ADD prints its result and exits with 1: the status of the last command of the script.

correct="$(dirname "$(readlink -f "$0")")/../../interface.py"
"$correct"
status=$?
if [ "$CNI_COMMAND" = ADD ] && [ $status -eq 0 ]; then
    exit 1
fi
exit $status
