#!/usr/bin/env bash
# tests/e2e: one rollcall-agent at a time against hubsim over TLS: offline at its start, a hub that forgets it, answers
# that fail, tokens that get old, calls that make no sense, a disk that takes nothing, updates that take or do not.
. "$(dirname "$0")/lib.sh"
: "${AGENT:?the path of rollcall-agent}"
token=$("$HUBSIM" --print-token 3600)

# start_door NAME [PORT ARGUMENT…]: a hub with a TLS door to devices, at that port; its temperament is read from standard
# input.
start_door() {
	rm -f "$folder/$1.ready"
	start_hub "$1" --devices 20 --mqtt-listen "127.0.0.1:${2-0}" --cert "$folder/hub.pem" --key "$folder/hub.key" "${@:3}"
	door=$(jq -r '.mqtts | split(":") | last' "$folder/$1.ready")
	door_pid=$(jq -r .pid "$folder/$1.ready")
}

# start_agent DEVICE ARGUMENT…: at $door; its log is in DEVICE.log. Sets agent, its process id.
start_agent() {
	local device=$1
	shift
	"$HUBSIM" --devices 20 --print-device-connection-string "$device" >"$folder/$device.txt"
	[ -e "$folder/$device" ] || mkdir "$folder/$device"
	"$AGENT" --connection-string-file "$folder/$device.txt" --endpoint "localhost:$door" --ca-file "$folder/hub.pem" \
		--state-file "$folder/$device/state" --pretend-seconds 1 "$@" >>"$folder/$device.log" 2>&1 &
	agent=$!
}

stop_agent() {
	kill "$agent"
	ended "$agent" 10
}

# call HUB DEVICE METHOD PAYLOAD: prints status and payload of the answer; goes on until the device is online. Before the
# agent's first connection hubsim's own device of that name would answer.
call() {
	jq -nc --arg method "$3" --argjson payload "$4" '{methodName: $method, payload: $payload, connectTimeoutInSeconds: 20,
		responseTimeoutInSeconds: 20}' >"$folder/call"
	must wait_for 30 called "$1" "$2"
	jq -c '[.status, .payload]' "$folder/answer"
}

called() {
	curl -sS --max-time 60 -H "Authorization: $token" --data "@$folder/call" -o "$folder/answer" \
		"${hub_url[$1]}/twins/$2/methods?api-version=2021-04-12"
	jq -e .status "$folder/answer"
}

# reported HUB DEVICE FILTER: of iothubDM, as the hub holds it.
reported() {
	curl -sS -H "Authorization: $token" "${hub_url[$1]}/twins/$2?api-version=2021-04-12" |
		jq -r ".properties.reported.iothubDM | $3"
}

# reports HUB DEVICE FILTER EXPECTED: whether it is so by now.
reports() { is "$(reported "$1" "$2" "$3")" "$4"; }

lacks() { ! grep -aF "$2" "$1"; }

says() { grep -q "$2" "$folder/$1.log"; }

# cert NAME DEVICE ARGUMENT…: NAME.pem and NAME.key, of that common name.
cert() {
	local name=$1 device=$2
	shift 2
	must openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/$name.key" -out "$folder/$name.pem" \
		-days 2 -subj "/CN=$device" "$@" 2>>"$folder/openssl.log"
}

# --- its unit ---

units=$e2e/../../deploy/agent
mkdir "$folder/units"
for unit in rollcall-agent.service rollcall-agent-reboot.service rollcall-agent-reboot.path; do
	sed "s|/usr/bin/rollcall-agent|$AGENT|" "$units/$unit" >"$folder/units/$unit"
done
it "its units are sound" systemd-analyze verify "$folder"/units/*
it "its unit leaves as little open as can be" systemd-analyze security --offline=true --threshold=15 "$units/rollcall-agent.service"

# --- its command line ---

help() { "$AGENT" --help | grep -q -- --connection-string-file; }
it "asked for help it tells its options" help
"$AGENT" --no-such >"$folder/wrong.log" 2>&1
it "an option that there is not ends its start with status 2" is "$?" 2

# --- one of which the token gets old while the rest goes on ---

start_door tokens <<<'{}'
start_agent dev-000002 --token-seconds 10 --connection-string "$("$HUBSIM" --devices 20 --print-device-connection-string dev-000002)"
renewing=$agent

# --- coming and going ---

start_door first <<<'{}'
must kill "$door_pid"
must ended "$door_pid" 10
start_agent dev-000001
it "without a hub it waits" wait_for 10 says dev-000001 "not connected: Connection refused"
start_door first "$door" <<<'{}'
it "when the hub is there, it reports its boot" wait_for 30 reports first dev-000001 .bootId "$(cat /proc/sys/kernel/random/boot_id)"
it "and takes calls" is "$(call first dev-000001 reboot '{"attemptId": "a1"}')" '[200,{"attemptId":"a1","state":"accepted","repeated":false}]'
it "an action without a command is played, and says so" wait_for 20 reports first dev-000001 '"\(.reboot.done.attemptId) \(.reboot.done.pretended)"' "a1 true"
boot=$(reported first dev-000001 .bootId)
it "the boot id that it plays is the one of that act" is "$(reported first dev-000001 .reboot.done.bootId)" "$boot"
stop_agent
status=$?
it "it stops with status 0 when told to" is "$status" 0
start_agent dev-000001
it "a start is no boot: the boot id stays" is "$(call first dev-000001 reboot '{"attemptId": "a1"}') $(reported first dev-000001 .bootId)" \
	"[200,{\"attemptId\":\"a1\",\"state\":\"done\",\"repeated\":true}] $boot"
must kill "$door_pid"
must ended "$door_pid" 10
start_door first "$door" <<<'{}'
it "to a hub that has forgotten the device it reports everything again" wait_for 30 reports first dev-000001 '"\(.bootId) \(.reboot.done.attemptId)"' "$boot a1"
stop_agent
it "the connection string shows neither in its log" lacks "$folder/dev-000001.log" "$(sed 's/.*SharedAccessKey=//' "$folder/dev-000001.txt")"
it "nor in the list of processes, where it was an option" lacks "/proc/$renewing/cmdline" SharedAccessKey

# --- who is not trusted ---

sed 's/SharedAccessKey=.*/SharedAccessKey=AAAA/' "$folder/dev-000002.txt" >"$folder/wrong.txt"
start_agent dev-000003 --connection-string-file "$folder/wrong.txt"
it "a key that is wrong is tried again, less and less often" wait_for 20 says dev-000003 "not authorised.* [0-9]\{4\} ms"
stop_agent
cert own localhost
start_agent dev-000004 --ca-file "$folder/own.pem"
it "a hub of which the certificate is not trusted is told nothing" wait_for 20 says dev-000004 "not connected.*TLS\|not connected.*certificate"
stop_agent

# --- X.509 ---

# register DEVICE AUTHENTICATION: changes what a device logs in with.
register() {
	jq -nc --arg id "$1" --argjson authentication "$2" '{deviceId: $id, $authentication}' >"$folder/identity"
	must curl -sS --fail -X PUT -H "Authorization: $("$HUBSIM" --policy iothubowner --print-token 600)" -H 'If-Match: *' \
		--data "@$folder/identity" -o "$folder/answer" "${hub_url[x509]}/devices/$1?api-version=2021-04-12"
}

# start_x509 DEVICE NAME: an agent that shows this certificate and has no key.
start_x509() {
	echo "HostName=localhost;DeviceId=$1;x509=true" >"$folder/x509.txt"
	start_agent "$1" --connection-string-file "$folder/x509.txt" --cert-file "$folder/$2.pem" --key-file "$folder/$2.key"
}

cert fleet "the fleet's authority"
cert thumb dev-000004
cert signed dev-000007 -CA "$folder/fleet.pem" -CAkey "$folder/fleet.key"
start_door x509 0 --device-ca "$folder/fleet.pem" <<<'{}'
thumbprint=$(openssl x509 -in "$folder/thumb.pem" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g')
register dev-000004 "{\"type\": \"selfSigned\", \"x509Thumbprint\": {\"primaryThumbprint\": \"$thumbprint\"}}"
register dev-000007 '{"type": "certificateAuthority"}'
for device in "dev-000004 thumb" "dev-000007 signed"; do
	read -r device name <<<"$device"
	start_x509 "$device" "$name"
	must wait_for 30 says "$device" "^connected to"
	it "$name: a device that has no key takes calls" is "$(call x509 "$device" reboot '{"attemptId": "x1"}' | jq -c '.[0]')" 200
	it "$name: and reports what came of them" wait_for 20 reports x509 "$device" .reboot.done.attemptId x1
	stop_agent
done
start_x509 dev-000007 thumb
it "another's certificate is refused, and shown again less and less often" wait_for 20 says dev-000007 "not authorised.* [0-9]\{4\} ms"
stop_agent

# --- the token that got old ---

it "a token is renewed before it is old" wait_for 20 says dev-000002 "renewing the token"
it "calls go on after that" is "$(call tokens dev-000002 format null | jq -c '.[0]')" 404
it "and the hub did not have to cut the connection" lacks "$folder/dev-000002.log" "not connected"
agent=$renewing
stop_agent

# --- a hub that fails ---

start_door failing <<<'{"faults": [{"kind": "throttled", "families": ["twins"], "count": 2}, {"kind": "errorAfter", "families": ["twins"], "count": 3},
	{"kind": "deliveredTwice", "families": ["methods"], "count": 1}]}'
start_agent dev-000005
it "what the hub would not take is reported again" wait_for 40 says dev-000005 "reporting: the hub says"
it "a call that comes twice is acted on once" is "$(call failing dev-000005 reboot '{"attemptId": "f1"}' | jq -c '.[0]')" 200
it "until it is acknowledged" wait_for 60 reports failing dev-000005 .reboot.done.attemptId f1
it "the second one was told apart" is "$(grep -c "reboot f1: called again" "$folder/dev-000005.log") $(grep -c "reboot f1: pretending" "$folder/dev-000005.log")" "1 1"
stop_agent

# --- calls, commands and updates ---

start_door last <<<'{}'
cat >"$folder/update" <<'SCRIPT'
echo "$ROLLCALL_METHOD $ROLLCALL_ATTEMPT_ID $ROLLCALL_PACKAGE_URI ${ROLLCALL_PACKAGE_CHECK-unset}" >"$1/asked"
while [ -e "$1/wait" ]; do sleep 0.05; done
[ "$ROLLCALL_PACKAGE_VERSION" = broken ] && exit 3
[ "$ROLLCALL_PACKAGE_VERSION" = lost ] || echo "$ROLLCALL_PACKAGE_VERSION" >"$1/version"
SCRIPT
mkdir "$folder/dev-000006"
echo 1.0 >"$folder/dev-000006/version"
start_agent dev-000006 --on-firmware-update "sh $folder/update $folder/dev-000006" --firmware-version-file "$folder/dev-000006/version"
touch "$folder/dev-000006/wait"
must wait_for 30 says dev-000006 "^connected to"

# update ID VERSION: a call for it.
update() { call last dev-000006 firmwareUpdate "{\"attemptId\": \"$1\", \"fwPackageUri\": \"https://h/p?a=\$(b)\", \"fwVersion\": \"$2\"}"; }

it "an update is accepted" is "$(update u1 2.0 | jq -c '.[0]')" 200
it "and under way" wait_for 20 reports last dev-000006 '"\(.firmwareUpdate.status) \(.versions.firmware)"' "applying 1.0"
it "another call meanwhile is refused as busy" is "$(call last dev-000006 reboot '{"attemptId": "u9"}')" \
	'[409,{"error":"busy: firmwareUpdate u1 is under way"}]'
must wait_for 20 test -s "$folder/dev-000006/asked"
it "its command gets what was sent in its environment" is "$(cat "$folder/dev-000006/asked")" 'firmwareUpdate u1 https://h/p?a=$(b) unset'
rm "$folder/dev-000006/wait"
it "an update that runs is reported as applied, with its version" wait_for 20 reports last dev-000006 \
	'"\(.firmwareUpdate.status) \(.firmwareUpdate.done.attemptId) \(.firmwareUpdate.done.firmware)"' "applyComplete u1 2.0"
must is "$(update u2 lost | jq -c '.[0]')" 200
it "one after which another version runs is reported as failed" wait_for 20 reports last dev-000006 \
	'"\(.firmwareUpdate.status) \(.firmwareUpdate.error.message)"' "applyFailed version 2.0 runs"
must is "$(update u3 broken | jq -c '.[0]')" 200
it "one whose command fails, with its status" wait_for 20 reports last dev-000006 '"\(.firmwareUpdate.status) \(.firmwareUpdate.error.code)"' "applyFailed 3"
it "what was done before stays on record" is "$(reported last dev-000006 .firmwareUpdate.done.attemptId)" u1
it "a call for something else is no method" is "$(call last dev-000006 format null | jq -c '.[0]')" 404
it "a call that makes no sense is refused with the reason" is "$(call last dev-000006 firmwareUpdate '{"attemptId": "u4"}')" \
	'[400,{"error":"fwPackageUri: is missing"}]'
mv "$folder/dev-000006/state" "$folder/state"
mkdir "$folder/dev-000006/state.new" # nothing can be written there now
rm "$folder/dev-000006/asked"
it "an attempt that cannot be remembered is refused" is "$(update u5 3.0)" '[500,{"error":"the device cannot remember the attempt"}]'
it "and not acted on" test ! -e "$folder/dev-000006/asked"
rmdir "$folder/dev-000006/state.new"
it "once it can be, it is taken" is "$(update u5 3.0 | jq -c '.[0]')" 200
it "and done" wait_for 20 reports last dev-000006 .firmwareUpdate.done.attemptId u5
stop_agent
status=$?
it "it stops with status 0 then, too" is "$status" 0
