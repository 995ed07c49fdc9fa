#!/usr/bin/env bash
# Install the Debian packages that the tests (or the packages named as arguments) need.
#
# As root this runs apt-get, and only when something is missing. Everybody else is told what is missing and what
# is skipped without it. It never fails: a test whose tool is missing says so itself, and with CI=true that is
# a failure.
set -euo pipefail

# package | a program of it | what needs it
needs='
busybox-static              | busybox-static      | tests with container runtimes, which make an image of it
chromium                    | chromium            | tests of the HTML reports, in a browser
containerd                  | containerd          | tests with containerd, by itself and as kubelet uses it
containernetworking-plugins | /usr/lib/cni/bridge | interop tests against the Go plugins
dbus-daemon                 | dbus-daemon         | tests with firewalld, which is spoken to over D-Bus
dnsmasq-base                | dnsmasq             | tests of dhcp, as a server
firewalld                   | firewalld           | tests of the firewall plugin with firewalld
iproute2                    | ip                  | kernel tests
iptables                    | iptables            | tests of the iptables backend
iputils-ping                | ping                | tests that send traffic
kea-dhcp4-server            | kea-dhcp4           | tests of dhcp, as another server
nftables                    | nft                 | tests of masquerading and of other nft rules
podman                      | podman              | tests with podman
runc                        | runc                | tests with container runtimes, which start containers by it
strace                      | strace              | crash tests, which kill a plugin at each system call
'

installed() { # package program
    command -v "$2" >/dev/null || [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

packages=() reasons=()
if [ $# -gt 0 ]; then
    for package; do
        installed "$package" "$package" || { packages+=("$package"); reasons+=("what was asked for"); }
    done
else
    while IFS='|' read -r package program reason; do
        read -r package <<<"$package"; read -r program <<<"$program"
        [ -z "$package" ] || installed "$package" "$program" || { packages+=("$package"); reasons+=("${reason# }"); }
    done <<<"$needs"
fi
[ ${#packages[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing with apt-get: ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    install=(apt-get -qq -o DPkg::Lock::Timeout=120 install --yes --no-install-recommends "${packages[@]}")
    # The package lists may be there already; they are fetched only when they do not do.
    "${install[@]}" >/dev/null 2>&1 && exit 0
    { apt-get -qq update && "${install[@]}" >/dev/null; } && exit 0
    echo "apt-get failed. Going on without:" >&2
else
    echo "These packages are missing (as root: apt-get install ${packages[*]}):" >&2
fi
for i in "${!packages[@]}"; do
    printf '  %-28s needed for %s\n' "${packages[i]}" "${reasons[i]}" >&2
done
