#!/usr/bin/env bash
# Runs a command with a Docker engine to talk to, on a machine that may have none:
#
#     container/engine.sh COMMAND [ARGUMENT…]
#
# Where an engine answers already, the command uses that one. Else, as root on Debian or Ubuntu and without systemd, one
# is started for the time of the command, with all it makes in a temporary folder:
#
# - Debian's packages docker.io and mmdebstrap are installed where they are missing, and it says so;
# - the engine touches neither bridges nor firewall, so images are built on the host's network (IMAGE_BUILD_FLAGS) and
#   containers must be run with `--network none`;
# - the base image of the Dockerfile is pulled; where no registry can be reached, a stand-in is made from Debian's own
#   packages (kept in out/ for the next time) and named in IMAGE_BUILD_FLAGS. Its Python is Debian's, in a virtual
#   environment at /usr/local; it trusts the certificates that this machine trusts. It is for trying the Dockerfile out,
#   not for images that somebody gets.
#
# The command finds DOCKER (the client to call), DOCKER_HOST, DOCKER_BUILDKIT and IMAGE_BUILD_FLAGS in its environment.
# The engine is stopped afterwards, and what it made is removed; the exit status is the command's.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
base=$(sed -n 's/^ARG BASE=//p' "$root/Dockerfile")
stand_in=gen3d-stand-in-for-$base
cache=$root/out/stand-in-base.tar

say() { echo "container/engine.sh: $*" >&2; }

if [ "$#" -eq 0 ]; then
    say "give the command to run"
    exit 2
fi
if "${DOCKER:-docker}" info >/dev/null 2>&1; then
    exec "$@"
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    say "no Docker engine answers. Start yours, or run this as root on Debian or Ubuntu, where it starts one."
    exit 1
fi

if [ ! -x /usr/bin/docker ] || ! command -v dockerd >/dev/null || ! command -v mmdebstrap >/dev/null; then
    say "installing docker.io and mmdebstrap"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends docker.io mmdebstrap >/dev/null
fi

folder=$(mktemp -d)
engine=
# shellcheck disable=SC2329 # the trap below calls it
stop() {
    if [ -n "$engine" ]; then
        kill -TERM "$engine" 2>/dev/null || true
        wait "$engine" || true
    fi
    # A container on the host's network leaves it behind.
    umount "$folder/exec/netns/default" 2>/dev/null || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The package's own client: another one first on the PATH may lack BuildKit.
export DOCKER=/usr/bin/docker DOCKER_HOST=unix://$folder/socket DOCKER_BUILDKIT=1
# In a session of its own: Ctrl-C is for the command, and the engine outlives it.
setsid dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" --host "$DOCKER_HOST" \
    --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false >"$folder/log" 2>&1 &
engine=$!
for _ in $(seq 150); do
    "$DOCKER" info >/dev/null 2>&1 && break
    if ! kill -0 "$engine" 2>/dev/null; then
        break
    fi
    sleep 0.2
done
if ! "$DOCKER" info >/dev/null 2>&1; then
    say "the engine did not start; the end of its log:"
    tail -n 20 "$folder/log" >&2
    exit 1
fi

export IMAGE_BUILD_FLAGS="--network host"
if ! timeout 300 "$DOCKER" pull --quiet "$base" >/dev/null 2>&1; then
    if [ ! -s "$cache" ]; then
        say "$base cannot be pulled; making a stand-in from Debian's packages"
        mkdir -p "$(dirname "$cache")"
        # shellcheck disable=SC2016 # $1 is mmdebstrap's
        mmdebstrap --quiet --variant=minbase --format=tar \
            --include=ca-certificates,netbase,python3,python3-venv,usr-is-merged \
            --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
            --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
            --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io \
            --aptopt='Acquire::Languages "none"' \
            --customize-hook='chroot "$1" python3 -m venv /usr/local' \
            --customize-hook='cp /etc/ssl/certs/ca-certificates.crt "$1"/etc/ssl/certs/' \
            bookworm "$cache.part" >&2
        mv "$cache.part" "$cache"
    fi
    "$DOCKER" import --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'ENV LANG=C.UTF-8' --change 'CMD ["python3"]' "$cache" "$stand_in" >/dev/null
    say "the base is a stand-in for $base, which cannot be pulled here"
    IMAGE_BUILD_FLAGS+=" --build-arg BASE=$stand_in"
fi

status=0
"$@" || status=$?
exit "$status"
