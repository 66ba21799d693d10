#!/usr/bin/env bash
# tests/e2e: campaigns over 50 rollcall-agents, most of which are killed once, each at another point between call and
# last report, some at random points over and over; some lose their connection with a report that was not acknowledged. Whatever the point, no attempt is acted on twice, by the log of acts
# that the agents' own command writes; and the verdict is what came of it.
. "$(dirname "$0")/lib.sh"
: "${AGENT:?the path of rollcall-agent}"

# What restarts a device: notes the act, changes the boot id, and takes the agent down with it. Where ID.dies is, it dies
# before it has done anything.
cat >"$folder/reboot" <<'SCRIPT'
if [ -e "$2/$1.dies" ]; then
	rm "$2/$1.dies"
	kill -9 $PPID
	exit 1
fi
echo "$1 $ROLLCALL_ATTEMPT_ID" >>"$2/acts"
cat /proc/sys/kernel/random/uuid >"$2/$1.boot.new"
mv "$2/$1.boot.new" "$2/$1.boot"
kill -9 $PPID
SCRIPT

plans=(plain dies twice beforeCall beforeAnswer afterAnswer beforeAccepted afterAccepted atAcceptedAck beforeDone afterDone atDoneAck
	losesAccepted losesDone losesDoneAck)
start_hub hub --devices 50 --mqtt-plain-listen 127.0.0.1:0 <<<'{}'
for number in $(seq 0 49); do
	device=$(printf 'dev-%06d' "$number")
	plan=random
	[ "$number" -ge 45 ] || plan=${plans[number % 15]}
	[ "$plan" != dies ] || touch "$folder/$device.dies"
	echo "$device $("$HUBSIM" --devices 50 --print-device-connection-string "$device") $plan"
done >"$folder/devices"
port=$(jq -r '.mqtt | split(":") | last' "$folder/hub.ready")
node "$e2e/agents.js" "$AGENT" "$port" "$folder" 7 <"$folder/devices" >"$folder/agents.log" 2>&1 &
agents=$!
must wait_for 60 grep -q ready "$folder/agents.log"
configure <<<'{}'
start_service

# campaign NAME SECONDS DEVICE…: over these devices, which have so long to prove their reboot; sets id.
campaign() {
	local name=$1 seconds=$2
	shift 2
	create "$(jq -n --arg name "$name" --argjson seconds "$seconds" '{$name, action: {type: "reboot"},
		targets: {deviceIds: $ARGS.positional}, rollout: {maxUnavailable: 50}, offline: {expireAfterSeconds: 600},
		verify: {timeoutSeconds: $seconds}}' --args "$@")"
}

# Only those that never prove it wait for the end of their time, so it is short for them alone.
must campaign dying 5 $(grep " dies$" "$folder/devices" | cut -d' ' -f1)
dying=$id
must campaign killed 120 $(grep -v " dies$" "$folder/devices" | cut -d' ' -f1)
must wait_for 200 campaign_is "$id" completed
must wait_for 200 campaign_is "$dying" completed
record "$id" hub
record "$dying" dying
cat "$folder/dying.targets" >>"$folder/hub.targets"
cat "$folder/dying.events" >>"$folder/hub.events"

# Every attempt once more, as if its answer had been lost after all; nobody is killed any more.
must kill -USR2 "$agents"
must wait_for 10 grep -q peace "$folder/agents.log"
token=$("$HUBSIM" --print-token 600)
jq -rs --arg url "${hub_url[hub]}" --arg token "$token" 'map("url = \($url)/twins/\(.deviceId)/methods?api-version=2021-04-12
	header = \("Authorization: \($token)" | tojson)
	data = \({methodName: "reboot", connectTimeoutInSeconds: 60, responseTimeoutInSeconds: 60,
		payload: {attemptId: .attempts[-1].attemptId}} | tojson | tojson)
	fail-with-body\nsilent\n") | join("next\n")' "$folder/hub.targets" >"$folder/again"
call_again() { curl -K "$folder/again" >"$folder/answers"; }
must call_again
must kill "$agents"
must ended "$agents" 20
touch "$folder/acts"
cut -d' ' -f1,3 "$folder/devices" | sort >"$folder/plans"
echo "killed $(wc -l <"$folder/kills") times: $(cut -d' ' -f3 "$folder/kills" | sort | uniq -c | awk '{print $2, $1}' | paste -sd, -)"
echo "ends: $(truth hub tally)"

# ends PLAN…: of the devices of these plans, how they ended, and how often they acted.
ends() {
	jq -r '"\(.deviceId) \(if .state == "succeeded" then "proven" else .reason end)"' "$folder/hub.targets" | sort |
		join "$folder/plans" - | while read -r device plan end; do
		case " $* " in *" $plan "*) echo "$plan: $end, acted $(grep -c "^$device " "$folder/acts")" ;; esac
	done | sort | uniq -c | sed 's/^ *//'
}

# unknown_acts: acts for attempts that no call brought to that device.
unknown_acts() {
	jq -r 'select(.kind == "call") | "\(.deviceId) \(.attemptId)"' "$folder/hub.journal" | sort -u >"$folder/called"
	sort -u "$folder/acts" | comm -23 - "$folder/called"
}

it "no attempt was acted on twice" nothing uniq -d <(sort "$folder/acts")
it "no device acted twice" nothing uniq -d <(cut -d' ' -f1 "$folder/acts" | sort)
it "each attempt is remembered, and a call that repeats it is answered with what became of it" is \
	"$(jq -rs 'map("\(.status) \(.payload.state) \(.payload.repeated)") | group_by(.)[] | "\(length) \(.[0])"' "$folder/answers")" \
	"$(jq -rs 'map("200 \(if .state == "succeeded" then "done" else "failed" end) true") | group_by(.)[] | "\(length) \(.[0])"' \
		"$folder/hub.targets")"
it "every act was asked for by a call" nothing unknown_acts
for plan in plain twice beforeCall beforeAnswer afterAnswer beforeAccepted afterAccepted beforeDone afterDone atDoneAck losesAccepted losesDone losesDoneAck; do
	it "$plan: proven, and acted once" is "$(ends "$plan")" "$(grep -c " $plan\$" "$folder/plans") $plan: proven, acted 1"
done
it "dies: what had begun and may have acted is not begun again, and there is no proof" is "$(ends dies)" "3 dies: noProof, acted 0"
# Between the acknowledgement and the command it may have noted the beginning, or not.
it "atAcceptedAck and random: who is proven has acted, who is not has not" \
	nothing sed -E '/proven, acted 1$|noProof, acted 0$/d' <(ends atAcceptedAck random)
it "no two calls to one device overlapped" nothing truth hub overlaps
it "an undisturbed device reports its boot, and twice for its act" is \
	"$(jq -r 'select(.kind == "report") | .deviceId' "$folder/hub.journal" | sort | join <(grep " plain$" "$folder/plans") - | uniq -c | awk '{print $1}' | uniq)" 3
it "who is proven is so by the attempt's own id" \
	is "$(jq -rs 'map(select(.state == "succeeded").evidence[] | select(.verdict == "proven") | .strength) | unique | join(" ")' "$folder/hub.targets")" attemptId
it "kills came at every point" is "$(grep -v " loses" "$folder/kills" | cut -d" " -f3 | grep -v boot | sort -u | paste -sd" " -)" "accepted acceptedAck answer call done doneAck"
it "all agents stopped well in the end" is "$(tail -1 "$folder/agents.log")" "stopped well: 50"
