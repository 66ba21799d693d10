#!/usr/bin/env bash
# tests/sdk: a campaign over 50 devices that run the tutorial's device app on Azure's SDK, in two processes; beside it one
# for the app of each other language, with the spec that README.md shows for it. The service knows the hub by its
# connection string and certificate only, as it would know Azure's.
. "$(dirname "$0")/lib.sh"

# apps NAME APP FIRST LAST: a process that is these devices.
apps() {
	local number
	NODE_EXTRA_CA_CERTS=$folder/hub.pem node "$sdk/tutorial.js" "$2" >"$folder/app-$1.log" 2>&1 < <(
		for number in $(seq "$3" "$4"); do device_string hub "$(printf 'dev-%06d' "$number")"; done
	) &
}

# campaign NAME FIRST LAST MORE: over these devices; MORE is laid over its spec. Sets id.
campaign() {
	create "$(jq -n --arg name "$1" --argjson more "$4" '{$name, targets: {deviceIds: $ARGS.positional},
		rollout: {maxUnavailable: 20}, verify: {settleSeconds: 1, timeoutSeconds: 60}} * $more' \
		--args $(seq -f 'dev-%06.0f' "$2" "$3"))"
}

start_azure hub 127.0.0.2 --devices 56 <<<'{}'
apps 0 node 0 24
apps 25 node 25 49
apps dotnet dotnet 50 51
apps java java 52 53
apps python python 54 55
for name in 0 25 dotnet java python; do must wait_for 60 grep -q ready "$folder/app-$name.log"; done
configure_azure hub
start_service
must campaign java 52 53 '{"action": {"type": "reboot"}, "verify": {"path": "lastReboot"}}'
java=$id
must campaign python 54 55 '{"action": {"type": "reboot", "methodName": "rebootDevice", "payload": "{\"method_number\":\"42\"}",
	"responseTimeoutSeconds": 60}, "verify": {"path": "rebootTime"}}'
python=$id
must campaign dotnet 50 51 '{"action": {"type": "reboot"}}'
dotnet=$id
must campaign tutorial 0 49 '{"action": {"type": "reboot"}}'
must wait_for 120 campaign_is "$id" completed
record "$id" hub

# reports FIRST LAST FILTER: how often each of these devices reported a reboot.
reports() {
	jq -r --arg first "$1" --arg last "$2" "select(.kind == \"report\" and .deviceId >= \$first and .deviceId <= \$last and
		.payload$3) | .deviceId" "$folder/hub.journal" | sort | uniq -c | awk '{print $2, $1}'
}

it "every device is proven" is "$(truth hub tally)" "proven 50"
it "each by the new value of its property, and none by anything stronger, which the app does not report" \
	is "$(jq -rs 'map(.evidence[] | select(.verdict == "proven") | .strength) | unique | join(" ")' "$folder/hub.targets")" value
it "no device acted twice" is "$(reports dev-000000 dev-000049 .iothubDM.reboot.lastReboot)" "$(seq -f 'dev-%06.0f 1' 0 49)"
it "no two calls to one device overlapped" nothing truth hub overlaps
it "every call that reached a device is on record" nothing truth hub unrecorded
it "no more than 20 were out at once" test "$(truth hub most_out)" -le 20
for name in dotnet java python; do
	must wait_for 60 campaign_is "${!name}" completed
	it "$name: devices with its app are proven" is "$(body_of .counts.succeeded)" 2
done
it "dotnet: no device acted twice" is "$(reports dev-000050 dev-000051 .iothubDM.reboot.lastReboot)" $'dev-000050 1\ndev-000051 1'
it "java: no device acted twice" is "$(reports dev-000052 dev-000053 .lastReboot)" $'dev-000052 1\ndev-000053 1'
it "python: no device acted twice" is "$(reports dev-000054 dev-000055 .rebootTime)" $'dev-000054 1\ndev-000055 1'
it "the apps had nothing to complain of" is "$(cat "$folder"/app-*.log | sort | uniq -c | awk '{print $1, $2}')" "5 ready"
