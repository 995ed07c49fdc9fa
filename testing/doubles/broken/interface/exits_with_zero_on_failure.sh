#!/bin/sh
# breaks: spec/1.1.0/errors/2
# The error about a configuration that cannot be read is printed with exit status 0.

correct="$(dirname "$(readlink -f "$0")")/../../interface.py"
output=$("$correct")
status=$?
printf '%s' "$output"
case $output in
    *'"code": 6'*) exit 0 ;;
esac
exit $status
