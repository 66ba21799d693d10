#!/usr/bin/env bash
# tests/sdk: azure-iot-device with azure-iot-device-mqtt, the device SDK, against hubsim.
. "$(dirname "$0")/lib.sh"

# cert NAME ARGUMENT…: NAME.pem and NAME.key in $folder, which device.js shows.
cert() {
	local name=$1
	shift
	must openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/$name.key" -out "$folder/$name.pem" \
		-days 2 "$@" 2>>"$folder/openssl.log"
}
cert fleet -subj "/CN=the fleet's authority"
cert own -subj /CN=by-thumbprint
cert signed -subj /CN=by-authority -CA "$folder/fleet.pem" -CAkey "$folder/fleet.key"
start_azure hub 127.0.0.2 --devices 1 --device-ca "$folder/fleet.pem" <<<'{}'
export CERTS=$folder
run_js device.js
it "an answer to a call that was answered before would have been told apart: each call ended once" \
	nothing jq -rs 'map(select(.kind == "end")) | group_by(.call)[] | select(length > 1)' "$folder/hub.journal"
