#!/bin/sh
# breaks: field/output/1
# Every call writes a line to standard error (weave-scope#518).

correct="$(dirname "$(readlink -f "$0")")/../../interface.py"
echo "double: $CNI_COMMAND" >&2
exec "$correct"
