#!/usr/bin/env bash
# Tries the packages as their users do: systemd/deb/try.sh FOLDER-OF-DEBS ROOT-FOLDER, as root.
#
# Makes a small Debian in ROOT-FOLDER (kept, so that a second run is quick), boots it with a systemd of its own, installs,
# asks the services how they are, upgrades, checks that data stayed, removes. Says what it does and stops at the first fault.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
debs=$(cd "$1" && pwd)
mkdir -p "$2"
root=$(cd "$2" && pwd)
[ "$(id -u)" = 0 ] || { echo "try.sh boots a system of its own: run it as root"; exit 1; }

step() { printf '== %s\n' "$*"; }
for need in debootstrap systemd-nspawn nsenter curl jq; do
    command -v $need >/dev/null || apt-get install -y -q debootstrap systemd-container util-linux curl jq >/dev/null
done
if [ ! -e "$root/etc/debian_version" ]; then
    step "a Debian in $root"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates bookworm "$root" >/dev/null
fi
# Packages come by the host's network, before anything is booted.
rm -rf "$root"/etc/apt/sources.list*
cp -r /etc/apt/sources.list* "$root/etc/apt/"
mkdir -p "$root/debs"
rm -f "$root"/debs/*.deb

boot() {
    systemd-nspawn -q --register=no --keep-unit -D "$root" --boot </dev/null >"$root.console" 2>&1 &
    host=$!
    trap 'kill $host 2>/dev/null; wait $host 2>/dev/null' EXIT
    for _ in $(seq 120); do
        sleep 0.5
        leader=$(pgrep -P $host -x systemd || true)
        [ -n "$leader" ] && inside systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded' && return
    done
    echo "the system did not come up; its console is $root.console"
    exit 1
}
inside() { nsenter -t "$leader" -a "$@"; }
apt() { inside env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@"; }
active() { inside systemctl is-active "$1" >/dev/null || { inside systemctl status "$1" --no-pager --lines 20; exit 1; }; }

step "boot it"
boot
step "install ($(cd "$debs" && ls ./*.deb | tr '\n' ' '))"
cp "$debs"/*.deb "$root/debs/"
apt update >/dev/null
apt purge -y tweenfarmd tweenfarm-agent tweenfarm >/dev/null 2>&1 || true
rm -rf "$root"/var/lib/tweenfarm*
inside sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install -y -q /debs/*.deb' >"$root.install" 2>&1 || { tail -20 "$root.install"; exit 1; }

step "daemon and agent run, each as its own user"
active tweenfarmd.service
for _ in $(seq 60); do inside systemctl is-active tweenfarm-agent.service >/dev/null 2>&1 && break; sleep 1; done
active tweenfarm-agent.service
inside systemctl show -p StatusText tweenfarmd.service tweenfarm-agent.service
inside tweenfarm status

step "a clip goes through"
api=http://127.0.0.1:8080
key=$(inside tweenfarm --json users add operator@example.org --xeconds 500 | jq -r .api_key)
call() { nsenter -t "$leader" -n curl -sf -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$@"; }
up=$(call $api/upload/presign -d '{"filename":"clip.mp4","content_type":"video/mp4"}')
nsenter -t "$leader" -n curl -sf -T "$here/../../tests/media/toy30.mp4" -H 'Content-Type: video/mp4' "$(jq -r .upload_url <<<"$up")"
job=$(call $api/jobs -d "$(jq '{r2_key: .key, project_id, target_fps: 60}' <<<"$up")" | jq -r .job_id)
for _ in $(seq 300); do
    state=$(call $api/jobs/$job)
    case $(jq -r .status <<<"$state") in done) break ;; failed) echo "$state"; exit 1 ;; esac
    sleep 1
done
[ "$(jq -r .status <<<"$state")" = done ] || { echo "$state"; exit 1; }
nsenter -t "$leader" -n curl -sf -o "$root/tmp/out.mp4" "$(jq -r .output_url <<<"$state")"
[ "$(inside ffprobe -v error -count_packets -show_entries stream=nb_read_packets -select_streams v -of csv=p=0 /tmp/out.mp4)" = 122 ]
balance=$(call $api/me | jq .balance_xeconds)

step "upgrade: data stays, what ran runs"
newer=$(mktemp -d)
for deb in "$debs"/*.deb; do
    dpkg-deb -R "$deb" "$newer/tree"
    sed -i 's/^\(Version: .*\)$/\1+try1/' "$newer/tree/DEBIAN/control"
    dpkg-deb --root-owner-group -b "$newer/tree" "$root/debs/newer-$(basename "$deb")" >/dev/null
    rm -rf "$newer/tree"
done
rm -rf "$newer"
inside sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install -y -q /debs/newer-*.deb' >"$root.install" 2>&1 || { tail -20 "$root.install"; exit 1; }
for _ in $(seq 60); do [ -z "$(inside systemctl list-jobs --no-legend)" ] && break; sleep 1; done
active tweenfarmd.service
active tweenfarm-agent.service
[ "$(call $api/me | jq .balance_xeconds)" = "$balance" ]

step "the daemon hangs: systemd notices and starts it again"
before=$(inside systemctl show -p MainPID --value tweenfarmd.service)
inside systemctl kill -s STOP tweenfarmd.service
for _ in $(seq 100); do
    sleep 1
    now=$(inside systemctl show -p MainPID --value tweenfarmd.service)
    [ "$now" != "$before" ] && [ "$now" != 0 ] && inside systemctl is-active tweenfarmd.service >/dev/null && break
done
[ "$now" != "$before" ]
[ "$(call $api/me | jq .balance_xeconds)" = "$balance" ]

step "remove: data stays, nothing runs"
apt remove -y tweenfarmd tweenfarm-agent tweenfarm >/dev/null
[ -d "$root/var/lib/tweenfarm/store" ] && [ -e "$root/etc/tweenfarm/daemon.toml" ]
! inside pgrep -x tweenfarmd >/dev/null
inside systemctl --failed --no-legend
inside systemctl poweroff || true
wait $host || true
trap - EXIT
step "the packages install, run, upgrade and go"
