#!/usr/bin/env bash
# tests/e2e: the README's commands and specs, and the manual page's, as they stand there, one after the other against a
# fleet like the demonstration's.
. "$(dirname "$0")/lib.sh"

start_hub main --devices 1000 --boot-seconds 0.2-0.5 <<<'{"answerMs": [5, 100], "reportMs": [10, 50]}'
configure <<<'{}'
start_service
fleet=$api

# Each block of commands into a file of its own; the one for a hub of one's own, which serves until it is ended, comes last.
awk -v at="$folder/block" '/^```sh$/ { inside = 1; n++; next } /^```$/ { inside = 0 } inside { print > (at "-" sprintf("%02d", n)) }' \
	"$e2e/../../README.md"
# curl as it is typed, but telling of every request that fails: of those that the README has refused there is one.
curl() {
	command curl --fail-with-body "$@"
	local status=$?
	[ "$status" -ne 22 ] || echo "$*" >>"$folder/refused"
	case $status in 0 | 22 | 23 | 28) ;; *) echo "$status: $*" >>"$folder/broken" ;; esac # 23: head has enough; 28: --max-time
	return "$status"
}
rollcall() { "$ROLLCALL" "$@"; }
: >"$folder/refused"
: >"$folder/broken"
ran=0
cd "$folder" || exit 1
for block in "$folder"/block-*; do
	grep -q 'connection-string' "$block" && continue
	sed -i -e "s#^api=http[^ ]*#api=$fleet#" "$block"
	# shellcheck disable=SC1090
	. "$block" >"$block.out" 2>"$block.err"
	status=$?
	ran=$((ran + 1))
	it "README, block $ran: $(grep -m 1 . "$block" | cut -c1-60)" test "$status" = 0
	it "… and nothing in it complains on standard error" nothing sed '/^curl: (2[238]) /d' "$block.err"
done
it "there were blocks to run" test "$ran" -ge 5
it "the README has one request refused, to show how" is "$(grep -c . "$folder/refused")" "1"
it "… the one that is not sound" grep -q 'maxUnavailabel' "$folder/refused"
it "no request broke" nothing cat "$folder/broken"

# --- the manual page's example ---

jq '.name = "of the manual" | .verify.timeoutSeconds = 60' site-4.json >site.json
sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "$CLI/rollcall.1" | sed '/^\./d' >manual
sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/p' "$CLI/rollcall.1" | sed 1,2d | head -n 1 >manual.why
it "the manual page has an example" grep -q 'rollcall run' manual
# shellcheck disable=SC1091
it "… that works: $(cat manual.why)" . ./manual
it "… and its campaign is proven" grep -q '^completed: 50 of 50 devices proven$' site.log

# --- the tutorial's device apps: rows of a table, with the members of a spec in its second and third column ---

grep '^|.*`{"type"' "$e2e/../../README.md" >apps
rows=0
while IFS= read -r row; do
	action=$(sed 's/^|[^|]*| `\([^`]*\)` |.*/\1/' <<<"$row")
	verify=$(cut -d'|' -f4 <<<"$row" | grep -o '`{[^`]*}`' | tr -d '`')
	while IFS= read -r v; do
		rows=$((rows + 1))
		ask POST /v1/campaigns/preview --data "$(jq -nc --argjson action "$action" --argjson verify "${v:-"{}"}" \
			'{name: "an app", $action, $verify, targets: {deviceIds: ["dev-000001"]}}')"
		it "the spec for$(cut -d'|' -f2 <<<"$row")is sound: $action $v" is "$status $(body_of '.errors // "" | tostring')" '200 '
	done <<<"$verify"
done <apps
it "there were specs to try" test "$rows" -ge 9

# --- a hub of one's own ---

own=$(grep -l 'connection-string' "$folder"/block-*)
mkdir -p build/demo/server
ln -s "$ROLLCALLD" build/demo/server/rollcalld
sed -i 's/^build/exec build/' "$own" # so that its process id is the one we know
ROLLCALL_LISTEN=127.0.0.1:0 ROLLCALL_DATABASE=own.db ROLLCALL_HUB_ENDPOINT=${hub_url[main]} bash "$own" \
	< <(jq -r .connectionString main.ready) >own.log 2>&1 &
it "README, a hub of one's own: the service starts" wait_for 30 grep -q started own.log
it "… whose connection string only its owner reads" is "$(stat -c %a hub.txt)" 600
api=http://$(sed -n 's/.* started .*listen=\([^ ]*\) .*/\1/p' own.log)
ask POST /v1/campaigns/preview --data '{"name": "x", "action": {"type": "reboot"}, "targets": {"all": true}}'
it "… and it counts the hub's devices" is "$status $(body_of .targets.total)" "200 1000"

# --- a hub for other programs, with the ports of the real one: in a network of its own, where they are free ---

mkdir -p build/demo/tests/hubsim
ln -s "$HUBSIM" build/demo/tests/hubsim/hubsim
{
	echo 'ip link set lo up'
	sed -n '/^    sudo build.*hubsim/,/^$/s/^    //p' "$e2e/../../README.md" | sed 's/^sudo/exec/'
} >hub.sh
spaces=(--net)
[ "$(id -u)" -eq 0 ] || spaces+=(--user --map-root-user)
PATH=$PATH:/usr/sbin:/sbin unshare "${spaces[@]}" bash -e hub.sh >hub.said 2>&1 &
it "README, a hub for other programs: it stands there" wait_for 30 grep -q 'mqtts=.*:8883' hub.said
it "… and says what a service and a device connect by" is "$(grep -cE '^HostName=[^;]+;(SharedAccessKeyName=iothubowner|DeviceId=dev-000001);' hub.said)" 2
