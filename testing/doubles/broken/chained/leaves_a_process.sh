#!/bin/sh
# breaks: field/output/3
# ADD leaves a process that holds its output open, and the runtime waits for it (plugins#792).

correct="$(dirname "$(readlink -f "$0")")/../../chained.py"
[ "$CNI_COMMAND" = ADD ] && sleep 600 &
exec "$correct"
