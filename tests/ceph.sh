#!/usr/bin/env bash
# Runs what every blob store has to do against the object gateway of a Ceph cluster of its own: one monitor, one store in memory.
# It checks signatures, ends and parts as a server of the trade does, and shares no line with the one that the suite starts itself.
#
# Needs: cargo, curl, and Debian's packages ceph-mon, ceph-osd, ceph-common and radosgw; without them the exit status is 77, as for
# a skipped test.
set -euo pipefail
cd "$(dirname "$0")/.."

for program in ceph ceph-authtool ceph-mon ceph-osd radosgw radosgw-admin; do
  command -v "$program" > /dev/null ||
    { echo "there is no $program: apt-get install ceph-mon ceph-osd ceph-common radosgw. Nothing was checked."; exit 77; }
done

folder=$(mktemp -d)
pids=()
end() {
  kill "${pids[@]}" 2> /dev/null || true
  wait 2> /dev/null || true
  rm -rf "$folder"
}
trap end EXIT
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
monitor=$(port)
gateway=$(port)
id=$(cat /proc/sys/kernel/random/uuid)
mkdir "$folder"/{mon,osd,run}
cat > "$folder/ceph.conf" << CONF
[global]
fsid = $id
mon host = [v2:127.0.0.1:$monitor/0]
mon initial members = a
mon data = $folder/mon
osd data = $folder/osd
run dir = $folder/run
admin socket = $folder/run/\$name.asok
pid file = $folder/run/\$name.pid
log file = $folder/\$name.log
keyring = $folder/keyring
osd objectstore = memstore
memstore device bytes = 1073741824
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
rgw frontends = beast endpoint=127.0.0.1:$gateway
CONF
key() { ceph-authtool "$folder/keyring" --gen-key -n "$1" "${@:2}" > /dev/null; }
touch "$folder/keyring"
key mon. --cap mon 'allow *'
key client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
key client.rgw --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
key osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'

config=(-c "$folder/ceph.conf")
ceph-mon "${config[@]}" --mkfs -i a --fsid "$id" --keyring "$folder/keyring" > /dev/null 2>&1
ceph-mon "${config[@]}" -i a -f > "$folder/mon.out" 2>&1 & pids+=($!)
disk=$(cat /proc/sys/kernel/random/uuid)
timeout 60 ceph "${config[@]}" osd new "$disk" > /dev/null
ceph-osd "${config[@]}" -i 0 --mkfs --osd-uuid "$disk" > /dev/null 2>&1
ceph-osd "${config[@]}" -i 0 -f > "$folder/osd.out" 2>&1 & pids+=($!)
timeout 60 ceph "${config[@]}" osd crush add 0 1 root=default host=here > /dev/null 2>&1
radosgw "${config[@]}" -n client.rgw -f > "$folder/rgw.out" 2>&1 & pids+=($!)
url=http://127.0.0.1:$gateway
curl --silent --retry 60 --retry-delay 1 --retry-connrefused --output /dev/null "$url/"
timeout 60 radosgw-admin "${config[@]}" user create --uid farm --display-name farm \
  --access-key GKFARM --secret-key farmsecret > /dev/null 2>&1
curl --silent --show-error --fail --output /dev/null --request PUT --aws-sigv4 aws:amz:us-east-1:s3 --user GKFARM:farmsecret "$url/farm"

echo "== $(radosgw --version)"
TWEENFARM_TEST_S3="$url farm us-east-1 GKFARM farmsecret unchecked" cargo test --locked -p tweenfarm-daemon --lib blobs::contract
