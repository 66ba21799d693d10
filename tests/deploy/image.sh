#!/usr/bin/env bash
# tests/deploy: the last stage of deploy/container/Containerfile over a root made from the programs built here: what is in
# it, and a campaign over 1,000 devices as a user without any right, on a root that cannot be written to, stopped by
# SIGTERM in the middle. With $IMAGE_ARCHIVE: that image instead, as "podman save" writes it.
needs_npm=yes
. "$(dirname "$0")/lib.sh"

image=localhost/rollcall:test
if [ -n "${IMAGE_ARCHIVE-}" ]; then
	must podman load --quiet -i "$IMAGE_ARCHIVE" >"$folder/load.out"
else
	make_image "$image" rollcalld "$ROLLCALLD" "$ROLLCALL"
fi

# --- what is in it ---

root=$(must podman image mount "$image")
of_image() { podman image inspect "$image" --format "$1"; }
version=$("$ROLLCALLD" --version)
it "the label names the programs' version" is "rollcalld $(of_image '{{index .Config.Labels "org.opencontainers.image.version"}}')" "$version"
it "its user is not root" is "$(of_image '{{.Config.User}}')" 10001:10001
it "its one volume is the database's" is "$(of_image '{{json .Config.Volumes}}')" '{"/var/lib/rollcall":{}}'
it "the volume belongs to its user" is "$(stat -c %u:%g "$root/var/lib/rollcall")" 10001:10001
it "it holds no other program than ours" is "$(ls "$root/usr/bin" | tr '\n' ' ')" "rollcall rollcalld "
it "no file in it gives its user more rights, none is writable by all" nothing find "$root" -type f \( -perm /6000 -o -perm -2 \)
sbom=$root/usr/share/doc/rollcall/sbom.cdx.json
it "the bill of materials names this version" is "rollcalld $(jq -r .metadata.component.version "$sbom")" "$version"
sound_bom() { node "$deploy/sbom.js" <"$sbom"; }
it "it is as CycloneDX 1.5 has it" sound_bom
it "it lists what dpkg's records in the image list" is "$(jq -r '.components[] | "\(.name) \(.version)"' "$sbom" | sort)" \
	"$(sed -n 's/^Package: //p; s/^Version: //p' "$root"/var/lib/dpkg/status.d/* | paste -d ' ' - - | sort)"
unlicensed() {
	local name
	for name in rollcall $(jq -r '.components[].name' "$sbom"); do
		[ -s "$root/usr/share/doc/$name/copyright" ] || echo "$name"
	done
}
it "for each of them its licence is there" nothing unlicensed
unowned() { # libraries that no listed package has
	find "$root"/usr/lib* -name '*.so*' -printf '%P %f\n' | sed "s|^|/|" | while read -r path library; do
		package=$(dpkg-query -S "/lib$path" "/usr/lib$path" "/lib64$path" 2>/dev/null | sed -n '1s/:.*//p')
		[ -e "$root/var/lib/dpkg/status.d/${package:-none}" ] || echo "$library of ${package:-nobody}"
	done
}
it "each library in it is of a package that is listed" nothing unowned
size_mb=$(($(of_image '{{.Size}}') / 1000000))
echo "        size: $size_mb MB"
it "it is smaller than 80 MB" test "$size_mb" -lt 80

# --- what it takes to run it ---

hardened=(--network host --pull never --read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges
	--memory 256m --pids-limit 64)
try() { podman run --rm "${hardened[@]}" "$@" >"$folder/end.out" 2>"$folder/end.err"; }
try "$image"
it "without tokens it ends with status 2" is $? 2
it "it says what is missing" grep -q 'ROLLCALL_TOKENS_FILE: .*/run/secrets/rollcall-tokens' "$folder/end.err"
it "… and that no hub is configured" grep -q 'no hub is configured' "$folder/end.err"

start_hub main --listen 127.0.0.1:8081 --devices 1000 --seed 9 --boot-seconds 0.2-0.5 \
	<<<'{"history": true, "answerMs": [20, 300], "leaveMs": [20, 100]}'
mkdir "$folder/data" "$folder/secrets"
{ read -r token; cat; } < <("$ROLLCALLD" token new --name eva --role admin) >"$folder/entry"
jq -s . "$folder/entry" >"$folder/secrets/tokens"
jq -r .connectionString "$folder/main.ready" >"$folder/secrets/hub"
chown -R 10001:10001 "$folder/data" "$folder/secrets"
chmod 400 "$folder/secrets"/*
options=(-v "$folder/data:/var/lib/rollcall"
	-v "$folder/secrets/tokens:/run/secrets/rollcall-tokens:ro" -v "$folder/secrets/hub:/run/secrets/rollcall-hub:ro"
	-e ROLLCALL_HUB_CONNECTION_STRING_FILE=/run/secrets/rollcall-hub -e ROLLCALL_HUB_ENDPOINT="${hub_url[main]}"
	-e ROLLCALL_HUB_SKU=none -e ROLLCALL_HUB_TRACK_INTERVAL_MS=200)
it "its settings are found sound" try "${options[@]}" "$image" --check-config

# --- a campaign in it ---

api=http://127.0.0.1:8080
ready() { curl -sS --fail --max-time 1 "$api/readyz"; }
until_ready() { # FROM, in microseconds: tells how long it took
	must wait_for 30 ready
	local begun said
	begun=$(date -d "$(podman inspect rollcalld --format '{{.State.StartedAt.Format "2006-01-02T15:04:05.999999999Z07:00"}}')" +%s%3N)
	said=$(date -d "$(podman logs rollcalld 2>&1 | jq -r 'select(.message == "started").at' | tail -n 1)" +%s%3N)
	echo "        ready after $(((${EPOCHREALTIME/./} - $1) / 1000)) ms, $((said - begun)) of them the service's own"
}
from=${EPOCHREALTIME/./}
must podman run -d --name rollcalld "${hardened[@]}" "${options[@]}" "$image" >"$folder/run.out" 2>"$folder/podman.log"
until_ready "$from"
pid=$(podman inspect rollcalld --format '{{.State.Pid}}')
of_process() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status" | tr -s '\t' ' '; }
it "it runs as user 10001" is "$(of_process Uid)" "10001 10001 10001 10001"
it "it has no capability, and can get none" is "$(of_process CapPrm) $(of_process CapEff) $(of_process CapBnd) $(of_process NoNewPrivs)" \
	"0000000000000000 0000000000000000 0000000000000000 1"
it "its system calls are filtered" is "$(of_process Seccomp)" 2
it "its root cannot be written to" grep -qE '^[0-9]+ [0-9]+ [^ ]+ / / ro[, ]' "/proc/$pid/mountinfo"
it "the health check passes" podman healthcheck run rollcalld
ask GET /v1/campaigns
it "without a token it answers 401" is "$status" 401

printf 'header = "Authorization: Bearer %s"\n' "$token" >"$folder/curlrc"
curl() { command curl -K "$folder/curlrc" "$@"; }
must create '{"name": "contained", "action": {"type": "reboot"}, "targets": {"all": true}, "rollout": {"maxUnavailable": 200},
	"verify": {"settleSeconds": 1}}'
some_proven() { campaign_is "$id" running && [ "$(body_of .counts.succeeded)" -ge 200 ] && [ "$(body_of .counts.invoking)" -gt 0 ]; }
must wait_for 60 some_proven
must podman stop --time 30 rollcalld >"$folder/stop.out" 2>>"$folder/podman.log"
it "SIGTERM in the middle of the campaign ends it with status 0" is "$(podman inspect rollcalld --format '{{.State.ExitCode}}')" 0
from=${EPOCHREALTIME/./}
must podman start rollcalld >"$folder/start.out" 2>>"$folder/podman.log"
until_ready "$from"
ask GET "/v1/campaigns/$id"
it "after the restart the campaign goes on" is "$(body_of .state)" running
it "nothing was left in doubt" is "$(body_of .counts.doubtful)" 0
it "in the container the command line watches it to its end" podman exec -e ROLLCALL_TOKEN="$token" rollcalld /usr/bin/rollcall watch "$id"
record "$id" main
it "every device ends proven" is "$(truth main tally)" "proven 1000"
it "no device acted twice" nothing truth main acted_twice
it "every call that reached a device is on record" nothing truth main unrecorded
it "no call was cut short" is "$(truth main doubts)" 0
it "a copy of the database is made beside it" podman exec rollcalld /usr/bin/rollcalld backup copy.db
it "the database is sound" podman exec rollcalld /usr/bin/rollcalld check
must podman kill --signal HUP rollcalld >"$folder/kill.out"
said() { podman logs rollcalld 2>&1 | grep -F "$1"; }
it "its log is on standard error, as JSON" said '"message":"started"'
it "SIGHUP reaches it" wait_for 10 said '"message":"file read again","setting":"tokensFile"'
it "no key is in its log" is "$(podman logs rollcalld 2>&1 | grep -cFf <(sed 's/.*SharedAccessKey=//' "$folder/secrets/hub"))" 0
