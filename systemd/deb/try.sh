#!/usr/bin/env bash
# Tries the packages as their users do: systemd/deb/try.sh FOLDER-OF-DEBS ROOT-FOLDER, as root.
#
# Makes a small Debian in ROOT-FOLDER (kept, so that a second run is quick), boots it with a systemd of its own, installs,
# asks the services how they are, renders, reloads, drops a clip into a watch folder, wakes a stopped daemon by its sockets,
# hands it a secret, upgrades and drains, hangs it, checks that data stayed, removes, purges. Says what it does and stops at
# the first fault.
set -eEuo pipefail
trap 'echo "line $LINENO of try.sh: $BASH_COMMAND"' ERR
here=$(cd "$(dirname "$0")" && pwd)
debs=$(cd "$1" && pwd)
mkdir -p "$2"
root=$(cd "$2" && pwd)
[ "$(id -u)" = 0 ] || { echo "try.sh boots a system of its own: run it as root"; exit 1; }

step() { printf '== %s\n' "$*"; }
for need in debootstrap systemd-nspawn nsenter curl jq openssl; do
    command -v $need >/dev/null || apt-get install -y -q debootstrap systemd-container util-linux curl jq openssl >/dev/null
done
if [ ! -e "$root/etc/debian_version" ]; then
    step "a Debian in $root"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus bookworm "$root" >/dev/null
fi
# Packages come by the host's network, before anything is booted.
rm -rf "$root"/etc/apt/sources.list*
cp -r /etc/apt/sources.list* "$root/etc/apt/"
mkdir -p "$root/debs"
rm -f "$root"/debs/*.deb

# What an earlier run has left, also half installed; before anything runs, so that nothing of it does.
for package in tweenfarmd tweenfarm-agent tweenfarm-watch tweenfarm; do
    chroot "$root" dpkg --purge --force-all "$package" >/dev/null 2>&1 || true
done

boot() {
    systemd-nspawn -q --register=no --keep-unit -D "$root" --boot </dev/null >"$root.console" 2>&1 &
    host=$!
    trap 'kill $host 2>/dev/null; wait $host 2>/dev/null' EXIT
    for _ in $(seq 120); do
        sleep 0.5
        leader=$(pgrep -P $host -x systemd || true)
        [ -n "$leader" ] && grep -qE 'running|degraded' <<<"$(inside systemctl is-system-running 2>/dev/null)" && return
    done
    echo "the system did not come up; its console is $root.console"
    exit 1
}
inside() { nsenter -t "$leader" -a "$@"; }
apt() { inside env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@"; }
active() { inside systemctl is-active "$1" >/dev/null || { inside systemctl status "$1" --no-pager --lines 20; exit 1; }; }
main_pid() { inside systemctl show -p MainPID --value "$1"; }
until_status() { # unit, part of its status line
    for _ in $(seq 240); do
        grep -qF "$2" <<<"$(inside systemctl show -p StatusText --value "$1")" && return
        sleep 0.5
    done
    echo "$1 does not say: $2"
    inside systemctl status "$1" --no-pager --lines 20
    exit 1
}

until_journal() { # unit, what a line of it has
    for _ in $(seq 60); do
        journal_says "$1" "$2" && return
        sleep 0.5
    done
    echo "the journal of $1 does not say: $2"
    exit 1
}
journal_says() { grep -qF "$2" <<<"$(inside journalctl -u "$1" --no-pager)"; }

step "boot it"
boot
step "install ($(cd "$debs" && ls ./*.deb | tr '\n' ' '))"
cp "$debs"/*.deb "$root/debs/"
apt update >/dev/null
rm -rf "$root"/var/lib/tweenfarm* "$root"/etc/tweenfarm "$root"/etc/systemd/system/tweenfarm*.d "$root"/srv/in "$root"/srv/out
inside sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install -y -q /debs/*.deb' >"$root.install" 2>&1 || { tail -20 "$root.install"; exit 1; }

step "daemon and agent run, each as its own user"
active tweenfarmd.service
for _ in $(seq 60); do inside systemctl is-active tweenfarm-agent.service >/dev/null 2>&1 && break; sleep 1; done
active tweenfarm-agent.service
until_status tweenfarm-agent.service "ready for work; workers: 1"
inside systemctl show -p StatusText tweenfarmd.service tweenfarm-agent.service
inside tweenfarm status

step "the packages bring manual pages and completions, and the configuration is checked before it counts"
for page in man8/tweenfarmd.8 man8/tweenfarm-watch.8 man1/tweenfarm-agent.1 man1/tweenfarm-agent-render.1 man1/tweenfarm.1; do
    [ -s "$root/usr/share/man/$page.gz" ]
done
for program in tweenfarmd tweenfarm-watch tweenfarm-agent tweenfarm; do
    bash -n "$root/usr/share/bash-completion/completions/$program"
done
inside tweenfarmd --config /etc/tweenfarm/daemon.toml --check-config >/dev/null
inside tweenfarm-agent run --config /etc/tweenfarm/agent.toml --check-config >/dev/null
inside tweenfarm-watch --config /etc/tweenfarm/watch.toml --check-config >/dev/null

step "a clip goes through"
api=http://127.0.0.1:8080
key=$(inside tweenfarm --json users add operator@example.org --xeconds 500 | jq -r .api_key)
call() { nsenter -t "$leader" -n curl -sf -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$@"; }
finished() { # job; leaves its last state in $state
    for _ in $(seq 300); do
        state=$(call $api/jobs/$1)
        case $(jq -r .status <<<"$state") in done) return ;; failed) break ;; esac
        sleep 1
    done
    echo "$state"
    exit 1
}
up=$(call $api/upload/presign -d '{"filename":"clip.mp4","content_type":"video/mp4"}')
nsenter -t "$leader" -n curl -sf -T "$here/../../tests/media/toy30.mp4" -H 'Content-Type: video/mp4' "$(jq -r .upload_url <<<"$up")"
job=$(call $api/jobs -d "$(jq '{r2_key: .key, project_id, target_fps: 60}' <<<"$up")" | jq -r .job_id)
finished "$job"
nsenter -t "$leader" -n curl -sf -o "$root/srv/out.mp4" "$(jq -r .output_url <<<"$state")"
[ "$(inside ffprobe -v error -count_packets -show_entries stream=nb_read_packets -select_streams v -of csv=p=0 /srv/out.mp4)" = 122 ]
balance=$(call $api/me | jq .balance_xeconds)

step "reload: accounts of watch folders come by SIGHUP, a broken file changes nothing"
cp "$root/etc/tweenfarm/daemon.toml" "$root/etc/tweenfarm/daemon.toml.good"
pid=$(main_pid tweenfarmd.service)
sed -i 's/^accounts = \[\]/accounts = ["operator@example.org"]/; s/^connections_max = .*/connections_max = 512/' "$root/etc/tweenfarm/daemon.toml"
inside systemctl reload tweenfarmd.service
until_status tweenfarmd.service "needs a restart: http.connections_max"
active tweenfarmd.service
printf '[work]\nlease_seconds = 0\n' > "$root/etc/tweenfarm/daemon.toml"
inside systemctl reload tweenfarmd.service
until_status tweenfarmd.service "configuration refused: /etc/tweenfarm/daemon.toml:2: work.lease_seconds = 0"
cp "$root/etc/tweenfarm/daemon.toml.good" "$root/etc/tweenfarm/daemon.toml"
sed -i 's/^accounts = \[\]/accounts = ["operator@example.org"]/' "$root/etc/tweenfarm/daemon.toml"
inside systemctl reload tweenfarmd.service
sed -i 's/^log_level = .*/log_level = "info,tweenfarm_agent=debug"/' "$root/etc/tweenfarm/agent.toml"
inside systemctl reload tweenfarm-agent.service
until_journal tweenfarm-agent "the configuration was read again"
[ "$(main_pid tweenfarmd.service)" = "$pid" ]

step "watch folders: a rule by reload, a clip dropped comes back; the unit may write nowhere else"
install -d -m 0777 "$root/srv/in" "$root/srv/out"
install -d "$root/etc/systemd/system/tweenfarm-watch.service.d"
printf '[Service]\nReadWritePaths=/srv/in /srv/out\n' > "$root/etc/systemd/system/tweenfarm-watch.service.d/folders.conf"
inside systemctl daemon-reload
inside systemctl restart tweenfarm-watch.service
active tweenfarm-watch.service
cat >> "$root/etc/tweenfarm/watch.toml" <<'RULE'
[[rule]]
name = "in"
folder = "/srv/in"
target = 60
account = "operator@example.org"
output = "/srv/out"
settle_seconds = 1
RULE
inside systemctl reload tweenfarm-watch.service
cp "$here/../../tests/media/toy30.mp4" "$root/srv/in/dropped.mp4"
for _ in $(seq 300); do [ -e "$root/srv/out/dropped.60fps.mp4" ] && break; sleep 1; done
[ -e "$root/srv/out/dropped.60fps.mp4" ] || { inside tweenfarm watch; inside journalctl -u tweenfarm-watch --no-pager -n 20; exit 1; }
watcher=$(main_pid tweenfarm-watch.service)
if inside nsenter -t "$watcher" -m touch /srv/elsewhere 2>/dev/null; then echo "the watcher's unit may write to /srv"; exit 1; fi

step "the sockets are systemd's: a command starts a daemon that was stopped"
inside systemctl stop tweenfarmd.service
[ "$(inside systemctl is-active tweenfarmd.service || true)" = inactive ]
inside tweenfarm status >/dev/null
active tweenfarmd.service
until_status tweenfarmd.service "1 workers"
balance=$(call $api/me | jq .balance_xeconds)

step "the agent says how it stands: its machine is in use, it sleeps, the daemon is gone, it is ready"
agent_settings() { # sed's commands
    sed -i "$1" "$root/etc/tweenfarm/agent.toml"
    inside systemctl reload tweenfarm-agent.service
}
inside touch /run/gaming
agent_settings 's|^yield_file = .*|yield_file = "/run/gaming"|'
until_status tweenfarm-agent.service "no work is taken: the file gaming is there"
inside rm /run/gaming
# Never this hour, nor the next one.
agent_settings "s|^work_hours = .*|work_hours = [\"mon-sun $(inside date -d '+3 hours' +%H:00)-$(inside date -d '+4 hours' +%H:00)\"]|"
until_status tweenfarm-agent.service "asleep by work_hours until"
agent_settings 's|^work_hours = .*|work_hours = "always"|'
inside systemctl stop 'tweenfarmd*.socket' tweenfarmd.service
until_status tweenfarm-agent.service "no connection to the daemon"
inside systemctl start tweenfarmd.service
inside tweenfarm status >/dev/null
# A minute after its machine was in use.
until_status tweenfarm-agent.service "ready for work"
until_status tweenfarmd.service "1 workers"

step "a secret comes by LoadCredential, to the daemon alone"
install -d -m 0700 "$root/etc/tweenfarm/secrets"
head -c 32 /dev/urandom | base64 > "$root/etc/tweenfarm/secrets/payments-secret"
chmod 0600 "$root/etc/tweenfarm/secrets/payments-secret"
install -d "$root/etc/systemd/system/tweenfarmd.service.d"
printf '[Service]\nLoadCredential=payments-secret:/etc/tweenfarm/secrets/payments-secret\n' \
    > "$root/etc/systemd/system/tweenfarmd.service.d/secrets.conf"
sed -i 's|^#secret_file = .*|secret_file = "/run/credentials/tweenfarmd.service/payments-secret"|' "$root/etc/tweenfarm/daemon.toml"
inside systemctl daemon-reload
inside systemctl restart tweenfarmd.service
active tweenfarmd.service
body='{"event_id":"evt_1","email":"operator@example.org","pack":"starter","currency":"USD"}'
at=$(date +%s)
signature=$(printf '%s.%s' "$at" "$body" | openssl dgst -sha256 -hmac "$(cat "$root/etc/tweenfarm/secrets/payments-secret")" -r | cut -d' ' -f1)
nsenter -t "$leader" -n curl -sf -d "$body" -H "Tweenfarm-Signature: t=$at,v1=$signature" $api/internal/payments >/dev/null
[ "$(call $api/me | jq .balance_xeconds)" -gt "$balance" ]

step "upgrade: data stays, what ran runs, the agent finishes what it holds"
up=$(call $api/upload/presign -d '{"filename":"clip.mp4","content_type":"video/mp4"}')
nsenter -t "$leader" -n curl -sf -T "$here/../../tests/media/toy30.mp4" -H 'Content-Type: video/mp4' "$(jq -r .upload_url <<<"$up")"
job=$(call $api/jobs -d "$(jq '{r2_key: .key, project_id, target_fps: 120}' <<<"$up")" | jq -r .job_id)
for _ in $(seq 60); do [ "$(call $api/jobs/$job | jq -r .live_status)" = processing ] && break; sleep 0.5; done
balance=$(call $api/me | jq .balance_xeconds)
inside systemctl disable -q --now tweenfarm-watch.service
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
[ "$(inside systemctl is-enabled tweenfarm-watch.service || true)" = disabled ]
[ "$(inside systemctl is-active tweenfarm-watch.service || true)" = inactive ]
finished "$job"
journal_says tweenfarm-agent "finishing what is in hand"

step "a second SIGTERM ends an agent that drains at once"
up=$(call $api/upload/presign -d '{"filename":"clip.mp4","content_type":"video/mp4"}')
nsenter -t "$leader" -n curl -sf -T "$here/../../tests/media/toy30.mp4" -H 'Content-Type: video/mp4' "$(jq -r .upload_url <<<"$up")"
job=$(call $api/jobs -d "$(jq '{r2_key: .key, project_id, target_fps: 240}' <<<"$up")" | jq -r .job_id)
for _ in $(seq 60); do [ "$(call $api/jobs/$job | jq -r .live_status)" = processing ] && break; sleep 0.5; done
inside systemctl stop --no-block tweenfarm-agent.service
until_status tweenfarm-agent.service "stopping: what is in hand is finished or handed back"
inside systemctl kill --kill-who=main -s TERM tweenfarm-agent.service
for _ in $(seq 30); do [ "$(inside systemctl is-active tweenfarm-agent.service)" = inactive ] && break; sleep 1; done
journal_says tweenfarm-agent "SIGTERM again"
inside systemctl start tweenfarm-agent.service
finished "$job"
balance=$(call $api/me | jq .balance_xeconds)

step "the daemon hangs: systemd notices and starts it again"
before=$(main_pid tweenfarmd.service)
inside systemctl kill -s STOP tweenfarmd.service
for _ in $(seq 100); do
    sleep 1
    now=$(main_pid tweenfarmd.service)
    [ "$now" != "$before" ] && [ "$now" != 0 ] && inside systemctl is-active tweenfarmd.service >/dev/null && break
done
[ "$now" != "$before" ]
[ "$(call $api/me | jq .balance_xeconds)" = "$balance" ]

step "an agent joins by the line of an invitation, pasted as root beside the agent at work"
inside tweenfarm-agent join "$(inside tweenfarm --json invite guest | jq -r .line)" >/dev/null
[ "$(inside stat -c '%U %a' /var/lib/tweenfarm-agent/membership.json)" = "tweenfarm-agent 600" ]
inside systemctl restart tweenfarm-agent.service
guest() { inside tweenfarm --json agents | jq -e '.[] | select(.name == "guest").connected' >/dev/null; }
for _ in $(seq 60); do guest && break; sleep 1; done
guest

step "remove: data stays, nothing runs"
apt remove -y tweenfarmd tweenfarm-agent tweenfarm-watch tweenfarm >/dev/null
[ -d "$root/var/lib/tweenfarm/store" ]
[ -e "$root/etc/tweenfarm/daemon.toml" ]
[ -z "$(inside pgrep -x 'tweenfarm.*' || true)" ]
[ -z "$(inside systemctl list-units --failed --no-legend 'tweenfarm*')" ]

step "purge: settings go, accounts and ledger stay"
apt purge -y tweenfarmd tweenfarm-agent tweenfarm-watch tweenfarm >/dev/null
[ -d "$root/var/lib/tweenfarm/store" ]
[ ! -e "$root/etc/tweenfarm/daemon.toml" ]
inside systemctl poweroff || true
wait $host || true
trap - EXIT
step "the packages install, run, upgrade and go"
