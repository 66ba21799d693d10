#!/usr/bin/env bash
# tests/e2e: what the service answers is what its description, which it serves itself, says: every operation is asked, and
# each answer's status, type and body are compared with it.
. "$(dirname "$0")/lib.sh"

start_hub main --devices 40 --seed 5 --boot-seconds 0.1-0.3 <<<'{"history": true, "answerMs": [5, 50], "reportMs": [10, 50],
	"siteSize": 10, "tempers": {"refusing": 0.3, "offline": 0.2}}'
secret=whsec_$(head -c 24 /dev/urandom | base64)
mkdir -p "$folder/ops/status" && echo 410 >"$folder/ops/status/ops" # so that there are dead letters
python3 "$e2e/receiver.py" "$folder/ops" "$secret" 2>"$folder/receiver.log" &
must wait_for 20 test -s "$folder/ops/port"
echo "$secret" >"$folder/secret"
jq -n --arg secret "$folder/secret" --arg url "http://127.0.0.1:$(cat "$folder/ops/port")/ops" '[{name: "ops", $url, secretFile: $secret}]' >"$folder/webhooks.json"
chmod 600 "$folder/secret" "$folder/webhooks.json"
configure <<<"{\"webhooksFile\": \"$folder/webhooks.json\"}"
start_service
it "every answer is as the description says, and every operation was seen to succeed" \
	nothing /usr/bin/python3 "$e2e/openapi.py" "$api"
