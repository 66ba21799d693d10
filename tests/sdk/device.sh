#!/usr/bin/env bash
# tests/sdk: azure-iot-device with azure-iot-device-mqtt, the device SDK, against hubsim.
. "$(dirname "$0")/lib.sh"

start_azure hub 127.0.0.2 --devices 1 <<<'{}'
run_js device.js
it "an answer to a call that was answered before would have been told apart: each call ended once" \
	nothing jq -rs 'map(select(.kind == "end")) | group_by(.call)[] | select(length > 1)' "$folder/hub.journal"
