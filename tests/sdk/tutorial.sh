#!/usr/bin/env bash
# tests/sdk: a campaign over 50 devices that run the tutorial's device app on Azure's SDK, in two processes. The service
# knows the hub by its connection string and certificate only, as it would know Azure's.
. "$(dirname "$0")/lib.sh"

start_azure hub 127.0.0.2 --devices 50 <<<'{}'
for first in 0 25; do
	NODE_EXTRA_CA_CERTS=$folder/hub.pem node "$sdk/tutorial.js" >"$folder/app-$first.log" 2>&1 < <(
		for number in $(seq "$first" $((first + 24))); do device_string hub "$(printf 'dev-%06d' "$number")"; done
	) &
done
must wait_for 60 grep -q ready "$folder/app-0.log"
must wait_for 60 grep -q ready "$folder/app-25.log"
configure_azure hub
start_service
must create "$(jq -n '{name: "tutorial", action: {type: "reboot"}, targets: {all: true},
	rollout: {maxUnavailable: 20}, verify: {settleSeconds: 1, timeoutSeconds: 60}}')"
must wait_for 120 campaign_is "$id" completed
record "$id" hub
cat "$folder"/app-*.log >"$folder/said.apps"

# reports: how often each device reported a reboot.
reports() {
	jq -r 'select(.kind == "report" and .payload.iothubDM.reboot.lastReboot) | .deviceId' "$folder/hub.journal" |
		sort | uniq -c | awk '{print $2, $1}'
}

it "every device is proven" is "$(truth hub tally)" "proven 50"
it "each by the new value of its property, and none by anything stronger, which the app does not report" \
	is "$(jq -rs 'map(.evidence[] | select(.verdict == "proven") | .strength) | unique | join(" ")' "$folder/hub.targets")" value
it "no device acted twice" is "$(reports)" "$(seq -f 'dev-%06.0f 1' 0 49)"
it "no two calls to one device overlapped" nothing truth hub overlaps
it "every call that reached a device is on record" nothing truth hub unrecorded
it "no more than 20 were out at once" test "$(truth hub most_out)" -le 20
it "the apps had nothing to complain of" is "$(cat "$folder/said.apps")" $'ready\nready'
