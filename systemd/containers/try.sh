#!/usr/bin/env bash
# Tries the container files as their users do: systemd/containers/try.sh FOLDER-OF-DEBS, as root.
#
# Builds the four images, starts a farm of four containers with podman, joins an agent, renders over the API, drops a clip into
# a watched folder, opens the console, drains, kills, backs up and restores, and replaces every container by one of a newer image
# on the same volumes. Says what it does and stops at the first fault. GPUs are not tried: the agent renders on the processor.
#
# The base image comes from its registry unless it is stored here; BASE=NAME takes another. Where no registry can be reached,
# a Debian is made by debootstrap instead, and that is said. What it starts is removed at the end, the images stay.
set -eEuo pipefail
trap 'echo "line $LINENO of try.sh: $BASH_COMMAND"' ERR
here=$(cd "$(dirname "$0")" && pwd)
debs=$(cd "$1" && pwd)
clip=$here/../../tests/media/toy30.mp4
[ "$(id -u)" = 0 ] || { echo "try.sh gives a watched folder to a group of its own: run it as root"; exit 1; }

step() { printf '== %s\n' "$*"; }
missing=()
for need in podman catatonit curl jq script; do command -v $need >/dev/null || missing+=("$need"); done
if [ ${#missing[@]} -gt 0 ]; then
    step "install with apt: ${missing[*]}"
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q "${missing[@]/script/bsdutils}" >/dev/null
fi
for package in tweenfarmd tweenfarm tweenfarm-agent tweenfarm-watch; do
    compgen -G "$debs/${package}_*.deb" >/dev/null || { echo "$debs has no package $package: make deb"; exit 1; }
done

name=tweenfarm-try
scratch=$(mktemp -d)
clean() {
    podman rm -f -v -t 0 $name-daemon $name-agent $name-watch $name-console $name-restored >/dev/null 2>&1 || true
    podman volume rm -f $name $name-operator $name-intake $name-agent $name-watch $name-restored >/dev/null 2>&1 || true
    podman secret rm $name-payments >/dev/null 2>&1 || true
}
leave() {
    local code=$?
    if [ $code != 0 ]; then
        for container in daemon agent watch; do
            podman container exists $name-$container 2>/dev/null || continue
            echo "-- the last lines of $container"
            command podman logs --tail 20 $name-$container 2>&1 || true
        done
    fi
    clean
    rm -rf "$scratch"
    exit $code
}
trap leave EXIT
clean

base=${BASE:-docker.io/library/debian:bookworm-slim}
if ! podman image exists "$base"; then
    step "the base image $base"
    if ! podman pull -q "$base" >"$scratch/pull" 2>&1; then
        tail -1 "$scratch/pull"
        [ -z "${BASE:-}" ] || exit 1
        base=localhost/$name-base
        step "it cannot be had: a Debian made by debootstrap takes its place, as $base"
        command -v debootstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -q debootstrap >/dev/null
        if ! podman image exists "$base"; then
            debootstrap --variant=minbase bookworm "$scratch/root" >/dev/null
            rm -rf "$scratch/root"/var/cache/apt/archives/*.deb
            tar -C "$scratch/root" -c . | podman import -q - "$base" >/dev/null 2>&1
            rm -rf "$scratch/root"
        fi
    fi
fi

# Inside other machines an engine may have less than it counts on. What is taken from it is said.
starts() { podman run --rm "$base" true >"$scratch/start" 2>&1; }
if ! starts && grep -q setrlimit "$scratch/start"; then
    [ -n "${HYBRID_HIDDEN:-}" ] || step "this machine lets nobody raise limits: containers keep its $(ulimit -Hn) open files"
    printf '[containers]\ndefault_ulimits = ["nofile=1024:%s", "nproc=4096:4096"]\n' "$(ulimit -Hn)" > "$scratch/containers.conf"
    export CONTAINERS_CONF=$scratch/containers.conf
fi
if ! starts && grep -q 'cgroups in hybrid mode' "$scratch/start" && [ -z "${HYBRID_HIDDEN:-}" ]; then
    step "crun refuses this machine's hybrid cgroups: once more, with their second version hidden from podman"
    trap - EXIT
    rm -rf "$scratch"
    HYBRID_HIDDEN=yes exec env -u CONTAINERS_CONF unshare --mount --propagation private \
        bash -c 'umount /sys/fs/cgroup/unified; exec "$0" "$@"' "$0" "$@"
fi
starts || { echo "podman starts no container on this machine:"; cat "$scratch/start"; exit 1; }

step "build the images ($(cd "$debs" && ls ./*.deb | tr '\n' ' '))"
mkdir "$scratch/debs"
cp "$debs"/*.deb "$scratch/debs/"
build() { # folder of packages, tag
    for image in daemon console watch agent; do
        podman build --format docker --build-arg BASE="$base" -f "$here/$image.Containerfile" -t $name-$image:$2 "$1" \
            >"$scratch/build" 2>&1 || { tail -20 "$scratch/build"; exit 1; }
    done
}
build "$scratch/debs" first
podman images --filter reference="localhost/$name-*:first" --format '{{.Repository}} {{.Size}}'

# Where users and agents reach the farm: the machine's own address, as from other machines.
at=$(hostname -I | cut -d' ' -f1)
free_port() { local port=$1; while (: </dev/tcp/"$at"/"$port") 2>/dev/null; do port=$((port + 1)); done; echo "$port"; }
web=$(free_port 18080)
agents=$(free_port 19080)
api=http://$at:$web
account=operator@example.org
version=first
# No program needs a right beyond its user's, nor to write anywhere but to its volumes.
tight=(--cap-drop all --security-opt no-new-privileges --read-only)
daemon() {
    podman run -d --name $name-daemon "${tight[@]}" --stop-timeout 60 -p "$at:$web:8080" -p "$at:$agents:8090" \
        -v $name:/var/lib/tweenfarm -v $name-operator:/run/tweenfarm/operator -v $name-intake:/run/tweenfarm/intake \
        --secret $name-payments,uid=970,mode=0400 -e TWEENFARMD__PAYMENTS__SECRET_FILE=/run/secrets/$name-payments \
        -e TWEENFARMD__HTTP__PUBLIC_URL="$api" -e TWEENFARMD__RPC__PUBLIC_ADDRESS="$at:$agents" \
        -e TWEENFARMD__INTAKE__ACCOUNTS=$account $name-daemon:$version >/dev/null
}
console() { podman run --rm "${tight[@]}" -v $name-operator:/run/tweenfarm $name-console:$version "$@"; }
agent() { podman run "${tight[@]}" -v $name-agent:/var/lib/tweenfarm-agent "$@"; }
watcher() {
    podman run -d --name $name-watch "${tight[@]}" --stop-timeout 60 --group-add 4242 \
        -v $name-watch:/var/lib/tweenfarm-watch -v $name-intake:/run/tweenfarm \
        -v "$scratch/watch.toml:/etc/tweenfarm/watch.toml:ro" -v "$scratch/clips:/srv/clips" $name-watch:$version >/dev/null
}
until_true() { # seconds, what is awaited, command
    local seconds=$1 what=$2 end=$((SECONDS + $1))
    while [ $SECONDS -lt $end ]; do "${@:3}" >/dev/null 2>&1 && return; sleep 0.5; done
    echo "not within $seconds s: $what"
    exit 1
}
ready() { curl -sf "$api/healthz"; }
ended_well() { [ "$(podman inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$1")" = "exited 0" ]; }

if [ ! -S /run/systemd/private ]; then
    step "no systemd here, by which podman asks for health: it is asked by hand, and its complaints are left out"
    podman() { command podman "$@" 2> >(grep -v 'get systemd connection' >&2 || true); }
fi
step "the daemon is ready, in volumes that were not there before"
head -c 32 /dev/urandom | base64 > "$scratch/payments-secret"
podman secret create $name-payments "$scratch/payments-secret" >/dev/null
daemon
until_true 60 "GET /healthz" ready
ready
echo
podman healthcheck run $name-daemon
# A request without a signature is refused by who knows the secret: without one, the route would not exist.
[ "$(curl -s -o /dev/null -w '%{http_code}' -X POST -d '{}' "$api/internal/payments")" = 403 ]

step "the console's container opens the operator's socket, in text and as a screen"
console status
key=$(console --json users add $account --xeconds 1000 | jq -r .api_key)
mkfifo "$scratch/keys"
# The screen is drawn with glyphs where the locale is UTF-8.
screen="podman run --rm -it ${tight[*]} --name $name-console -v $name-operator:/run/tweenfarm $name-console:$version"
script -qefc "stty cols 100 rows 30; exec $screen" "$scratch/screen" <"$scratch/keys" >/dev/null 2>&1 &
terminal=$!
exec 3>"$scratch/keys"
until_true 60 "the console's first screen" grep -q '● live' "$scratch/screen"
printf q >&3
wait $terminal
exec 3>&-

step "an agent joins over TLS and is let in"
line=$(console --json invite gpu-1 | jq -r .line)
agent --rm $name-agent:$version join "$line"
agent -d --init --name $name-agent --stop-timeout 660 $name-agent:$version >/dev/null
# Asked often, so without a container for every question.
ask() { podman exec $name-daemon tweenfarm "$@"; }
working() { ask --json agents | jq -e '.[] | select(.name == "gpu-1" and .connected)'; }
until_true 120 "the agent is connected" working

step "a clip goes in over the API and comes back with 122 frames"
call() { curl -sf -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$@"; }
submit() { # frames per second; prints the job
    local up
    up=$(call "$api/upload/presign" -d '{"filename":"clip.mp4","content_type":"video/mp4"}')
    curl -sf -T "$clip" -H 'Content-Type: video/mp4' "$(jq -r .upload_url <<<"$up")"
    call "$api/jobs" -d "$(jq "{r2_key: .key, project_id, target_fps: $1}" <<<"$up")" | jq -r .job_id
}
is() { [ "$(call "$api/jobs/$1" | jq -r .status)" = "$2" ]; }
frames() { # file
    podman run --rm -i --no-healthcheck --entrypoint ffprobe $name-daemon:$version -v error -count_packets \
        -show_entries stream=nb_read_packets -select_streams v -of csv=p=0 - <"$1"
}
job=$(submit 60)
until_true 300 "job $job is done" is "$job" done
curl -sf -o "$scratch/out.mp4" "$(call "$api/jobs/$job" | jq -r .output_url)"
[ "$(frames "$scratch/out.mp4")" = 122 ]

step "a clip that is dropped into a watched folder comes back; the watcher sees no socket but its own"
install -d -m 2770 -g 4242 "$scratch/clips" "$scratch/clips/in" "$scratch/clips/out"
chmod 0711 "$scratch"
cat > "$scratch/watch.toml" <<RULE
[[rule]]
name = "in"
folder = "/srv/clips/in"
target = 60
account = "$account"
output = "/srv/clips/out"
settle_seconds = 1
RULE
watcher
cp "$clip" "$scratch/clips/in/dropped.mp4"
chmod 0640 "$scratch/clips/in/dropped.mp4"
until_true 300 "the watched folder's result" test -e "$scratch/clips/out/dropped.60fps.mp4"
[ "$(frames "$scratch/clips/out/dropped.60fps.mp4")" = 122 ]
[ "$(podman exec $name-watch ls /run/tweenfarm)" = intake.sock ]

step "SIGTERM: the agent finishes what it has in hand, everything ends with 0"
job=$(submit 240)
rendering() { call "$api/jobs/$job" | jq -e '.live_status == "processing" and .progress > 0'; }
until_true 60 "job $job is on its way" rendering
podman stop $name-agent >/dev/null
log=$(podman logs $name-agent 2>&1)
grep -q "finishing what is in hand" <<<"$log"
ended_well $name-agent
podman start $name-agent >/dev/null
until_true 300 "job $job is done" is "$job" done
podman stop $name-watch $name-daemon >/dev/null
ended_well $name-watch
ended_well $name-daemon
podman start $name-daemon $name-watch >/dev/null
until_true 60 "GET /healthz after a stop" ready

step "SIGKILL: the daemon comes back over what it left"
podman kill $name-daemon >/dev/null
podman start $name-daemon >/dev/null
until_true 60 "GET /healthz after a kill" ready
until_true 120 "the agent is connected again" working

step "a backup, taken in one container and restored by another"
balance=$(call "$api/me" | jq .balance_xeconds)
ask backup /tmp/farm.backup
podman cp $name-daemon:/tmp/farm.backup "$scratch/farm.backup"
chown 970 "$scratch/farm.backup"
restored() { # podman's flags, the image's
    podman run --no-healthcheck "${tight[@]}" -e TWEENFARMD__HTTP__PUBLIC_URL="$api" -v $name-restored:/var/lib/tweenfarm "$@"
}
restored --rm -v "$scratch/farm.backup:/farm.backup:ro" $name-daemon:$version --restore /farm.backup
restored -d --name $name-restored $name-daemon:$version >/dev/null
rich() {
    podman exec $name-restored tweenfarm --json users list | jq -e ".[] | select(.email == \"$account\" and .balance == $balance)"
}
until_true 60 "the restored farm knows the account and its balance" rich
podman rm -f -v $name-restored >/dev/null

step "newer images on the same volumes: accounts stay, the agent need not join again, no clip is done twice"
for deb in "$scratch"/debs/*.deb; do
    dpkg-deb -R "$deb" "$scratch/tree"
    sed -i 's/^\(Version: .*\)$/\1+try1/' "$scratch/tree/DEBIAN/control"
    rm "$deb"
    dpkg-deb --root-owner-group -b "$scratch/tree" "$deb" >/dev/null
    rm -rf "$scratch/tree"
done
build "$scratch/debs" second
version=second
podman stop $name-agent $name-watch $name-daemon >/dev/null
podman rm $name-agent $name-watch $name-daemon >/dev/null
daemon
until_true 60 "GET /healthz of the newer daemon" ready
watcher
agent -d --init --name $name-agent --stop-timeout 660 $name-agent:$version >/dev/null
[ "$(call "$api/me" | jq .balance_xeconds)" = "$balance" ]
until_true 120 "the newer agent is connected" working
cp "$clip" "$scratch/clips/in/again.mp4"
chmod 0640 "$scratch/clips/in/again.mp4"
passed_over() { ask watch list --state skipped | grep again.mp4; }
until_true 120 "the same content under another name is passed over" passed_over
job=$(submit 60)
until_true 300 "job $job is done" is "$job" done
step "the images build, the farm runs in containers, stops, comes back and is replaced"
