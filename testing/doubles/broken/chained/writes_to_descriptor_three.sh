#!/bin/sh
# breaks: sec/leak/2
# The log goes to descriptor 3, whatever the runtime has open there.

correct="$(dirname "$(readlink -f "$0")")/../../chained.py"
{ true >&3; } 2>/dev/null && echo "double: $CNI_COMMAND" >&3
exec "$correct"
