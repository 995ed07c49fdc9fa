#!/bin/sh
# breaks: spec/1.1.0/delegation/2
# The delegate sees the variables of CNI and nothing else.

correct="$(dirname "$(readlink -f "$0")")/../../interface.py"
exec env -i PATH="$PATH" ${CNI_COMMAND+CNI_COMMAND="$CNI_COMMAND"} \
    ${CNI_CONTAINERID+CNI_CONTAINERID="$CNI_CONTAINERID"} ${CNI_NETNS+CNI_NETNS="$CNI_NETNS"} \
    ${CNI_IFNAME+CNI_IFNAME="$CNI_IFNAME"} ${CNI_PATH+CNI_PATH="$CNI_PATH"} "$correct"
