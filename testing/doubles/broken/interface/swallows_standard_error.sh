#!/bin/sh
# breaks: spec/1.1.0/delegation/5
# What the delegate writes to standard error is lost.

correct="$(dirname "$(readlink -f "$0")")/../../interface.py"
exec "$correct" 2>/dev/null
