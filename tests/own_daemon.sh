# Sourced by scripts that test the API: builds and starts a daemon of its own, which ends with the script.
#
# Gives $url, $folder (temporary), field NAME, new_key NAME and new_named_key NAME; takes $TARGET, the folder that cargo builds into.

cargo build --quiet --locked -p tweenfarm-daemon --bin tweenfarmd

folder=$(mktemp -d)
# The limits have tests of their own; here every request is to reach its route.
export TWEENFARMD__LIMITS__REQUESTS_PER_SECOND_ADDRESS=1000000 TWEENFARMD__LIMITS__REQUESTS_PER_SECOND_KEY=1000000
# Payments are taken, signed with this.
python3 -c 'import secrets; print(secrets.token_hex(32))' > "$folder/payments-secret"
export TWEENFARMD__PAYMENTS__SECRET_FILE=$folder/payments-secret
export TWEENFARMD__LIMITS__V2_REQUESTS_PER_MINUTE_PAID=1000000
"$TARGET/debug/tweenfarmd" --state-folder "$folder" --http-listen 127.0.0.1:0 --rpc-listen 127.0.0.1:0 \
  2> "$folder/log" > /dev/null &
daemon=$!
trap 'kill "$daemon" 2> /dev/null; wait "$daemon" 2> /dev/null || true; rm -rf "$folder"' EXIT
for _ in $(seq 1200); do
  [ -s "$folder/addresses.json" ] && break
  kill -0 "$daemon" 2> /dev/null || { cat "$folder/log"; exit 1; }
  sleep 0.1
done
[ -s "$folder/addresses.json" ] || { echo "the daemon is not ready after two minutes:"; cat "$folder/log"; exit 1; }

# The value of a field of a JSON object on standard input.
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
url=$(field public_url < "$folder/addresses.json")
new_key() {
  operate /operator/users --data "{\"email\":\"$1@example.org\",\"xeconds\":100000}" | field api_key
}
operate() {
  curl --silent --show-error --fail --unix-socket "$folder/operator.sock" "http://operator$1" "${@:2}"
}
# One more key, of the Apiframe API, for an account that is there.
new_named_key() {
  local account
  account=$(operate /operator/users |
    python3 -c 'import json, sys; print([user["account"] for user in json.load(sys.stdin)["rows"] if user["email"] == sys.argv[1]][0])' \
      "$1@example.org")
  operate "/operator/users/$account/keys" --data '{"name":"script"}' | field api_key
}
