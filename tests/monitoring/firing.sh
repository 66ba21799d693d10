#!/usr/bin/env bash
# tests/monitoring: the alerts, end to end: Debian's Prometheus scrapes a real rollcalld whose hubs, disk and clients give
# trouble, until each alert has fired. So that it takes seconds, nothing is waited for (no "for"), windows are three seconds (sixty for
# restarts), and four bounds that take minutes to reach are lower; what the rules compute is as in alerts.yml.
. "$(dirname "$0")/../e2e/lib.sh"
: "${FAULTS:?the library of tests/faults}"
top=$(cd "$(dirname "$0")/../.." && pwd)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed -E '/^ +for: /d; /changes/s/\[30m\]/[60s]/; s/\[[0-9]+[mh]\]/[3s]/g; s/query_lag_seconds > 300/query_lag_seconds > 1/; s/oldest_age_seconds > 600/oldest_age_seconds > 1/
	s/> 1800/> 0.05/; s/free_bytes < 1e9/free_bytes < 1e18/' "$top/deploy/monitoring/alerts.yml" >"$folder/alerts.yml"
expected() { sed -n 's/^ *- alert: //p' "$folder/alerts.yml" | sort; }

fast='"history": true, "answerMs": 5, "reportMs": 20, "leaveMs": 20, "bootMs": 50'
start_hub old --devices 30 <<<"{$fast, \"queryLagMs\": 2500}"
start_hub refusing --devices 20 <<<"{$fast, \"tempers\": {\"refusing\": 1}}"
start_hub deaf --devices 6 <<<"{$fast, \"tempers\": {\"deaf\": 1}}"
start_hub busy --devices 50 <<<"{$fast, \"faults\": [{\"kind\": \"throttled\", \"families\": [\"methods\"]}]}"
start_hub locked --devices 3 <<<"{$fast}"
start_hub short --devices 3 <<<"{$fast}"
disk() { printf %s "$1" 1<>"$folder/disk"; } # s: it is slow; -: it is not
disk -
echo "whsec_$(head -c 24 /dev/urandom | base64)" >"$folder/secret"
mkdir -p "$folder/gone/status" && echo 410 >"$folder/gone/status/gone" && : >"$folder/gone/received"
python3 "$e2e/receiver.py" "$folder/gone" "$(cat "$folder/secret")" 2>"$folder/receiver.log" &
must wait_for 20 test -s "$folder/gone/port"
jq -n --arg secret "$folder/secret" --arg gone "http://127.0.0.1:$(cat "$folder/gone/port")/gone" \
	'[{name: "gone", url: $gone, secretFile: $secret}, {name: "late", url: "http://127.0.0.1:9/", secretFile: $secret}]' >"$folder/webhooks.json"
chmod 600 "$folder/webhooks.json" "$folder/secret"
configure <<<"{\"webhooksFile\": \"$folder/webhooks.json\", \"campaignsMax\": 6}"
jq '.hubs |= map(if .name == "locked" then .connectionString |= sub("SharedAccessKey=.*"; "SharedAccessKey=" + ("x" * 32 | @base64)) else . end
	| if .name == "short" then .sku = "F1" else . end)' "$folder/config.json" >"$folder/config.new"
chmod 600 "$folder/config.new" && mv "$folder/config.new" "$folder/config.json"

under=(env "LD_PRELOAD=$FAULTS" "FAULTS_SWITCH=$folder/disk" FAULTS_PATH=rollcall.db)
start_service
listen=${api#http://}
jq '.listen = $listen' --arg listen "$listen" "$folder/config.json" >"$folder/config.new" # the same port each time
chmod 600 "$folder/config.new" && mv "$folder/config.new" "$folder/config.json"
sed "s|127.0.0.1:8080|$listen|; s/15s/250ms/" "$top/deploy/monitoring/prometheus.yml" >"$folder/prometheus.yml"
prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/tsdb" --web.listen-address="127.0.0.1:$port" \
	--log.level=error 2>"$folder/prometheus.log" &
metric() { curl -sS --get "http://127.0.0.1:$port/api/v1/query" --data-urlencode "query=$1"; }
is_up() { is "$(metric "up == $1" | jq '.data.result | length')" 1; } # 0 or 1, as last scraped
must wait_for 60 is_up 1
fired() { metric 'count by (alertname) (last_over_time(ALERTS{alertstate="firing"}[5m]))' | jq -r '.data.result[].metric.alertname' | sort; }
it "Prometheus takes these rules" is "$(curl -sS "http://127.0.0.1:$port/api/v1/rules" | jq '[.data.groups[].rules[]] | length')" "$(grep -c 'alert:' "$folder/alerts.yml")"
quiet() { nothing comm -23 <(fired) <(echo RollcallDiskFilling); } # whose bound is raised above any disk
it "without trouble nothing fires" quiet

spec() { # HUB MEMBERS
	jq -cn --arg hub "$1" --argjson more "${2-{\}}" '{name: $hub, hubs: [$hub], action: {type: "reboot"}, targets: {all: true},
		verify: {settleSeconds: 0}} * $more'
}
ask POST /v1/schedules --data '{"name": "late", "recurrence": {"cron": "0 0 1 1 *"}, "catchUpSeconds": 0, "campaign": {"name": "s",
	"action": {"type": "reboot"}, "targets": {"deviceIds": ["dev-000001"]}, "hubs": ["old"]}}'
must is "$status" 201
must create "$(spec refusing '{"abort": [{"count": 1, "do": "pause"}], "rollout": {"maxUnavailable": 1}}')"
some() { spec "$1" "$2" | jq -c 'del(.targets.all)'; } # HUB MEMBERS: those whom the members name
must create "$(some deaf '{"targets": {"deviceIds": ["dev-000001", "dev-000002"]}}')"
doubtful=$id
must create "$(some deaf '{"targets": {"deviceIds": ["dev-000003", "dev-000004"]}, "verify": {"by": "none"}}')"
unknown=$id
must create "$(spec busy)"
must create "$(spec locked)"
must create "$(spec old)"
ask POST /v1/campaigns --data "$(spec refusing)"
it "six campaigns are as many as there may be" is "$status" 429
has() { ask GET "/v1/campaigns/$1" && [ "$(body_of ".counts.$2")" -ge "$3" ]; }
must wait_for 60 has "$id" succeeded 30
told_old() { nothing comm -13 <(fired) <(printf '%s\n' RollcallHubQueriesOld RollcallProofsSlow); }
must wait_for 60 told_old # by the process that saw it
called() { ask GET "/v1/campaigns/$1" && [ "$(body_of '.counts | .invoking + .doubtful + .failed')" -ge 2 ]; }
must wait_for 60 called "$doubtful"
must wait_for 60 called "$unknown"
# --- calls that a crash cuts short, a day nearly spent, a time that was missed, a record that is damaged, a clock that is
# wrong; and no service at all ---

again() { # SQL: the service is killed, and started once that has been so for a while
	kill_service
	sqlite3 "$database" "$1"
	must wait_for 60 is_up 0
	start_service
	must wait_for 60 is_up 1
}
type=text/plain
ask PUT /v1/device-lists/tills --data-binary dev-000001
must is "$status" 201
type=application/json
printf b >"$folder/clock" # of one more hub: an hour behind
LD_PRELOAD=$FAULTS FAULTS_SWITCH=$folder/clock start_hub behind --devices 3 <<<"{$fast}"
jq --arg endpoint "${hub_url[behind]}" '.hubs += [.hubs[0] + {name: "behind", $endpoint, sku: "none"}]' "$folder/config.json" >"$folder/config.new"
chmod 600 "$folder/config.new" && mv "$folder/config.new" "$folder/config.json"
again "UPDATE list_pages SET ids = x'ff'; INSERT OR REPLACE INTO hub_days VALUES ('short', $(($(date +%s) / 86400)), 7900);
	UPDATE schedules SET done_at_ms = done_at_ms - 366 * 86400000"
again ''
again ''
late() { # the trouble itself: a loop that stands still
	kill -STOP "$service"
	sleep 0.6
	kill -CONT "$service"
	sleep 0.5
	fired | grep -qx RollcallLoopLagging
}
must wait_for 60 late
may_open=$(prlimit --pid "$service" --nofile --output SOFT --noheadings)
full() { # nine of ten files that may be open are; the tenth is to ask by
	prlimit --pid "$service" --nofile=$(($(find "/proc/$service/fd" -mindepth 1 | wc -l) * 11 / 10)):
	fired | grep -qx RollcallFilesNear
}
must wait_for 60 full
prlimit --pid "$service" --nofile=$((may_open)):
ask GET /v1/device-lists/tills
it "what is damaged is told as an error of the service" is "$status" 500
slow() { # each commit takes an order, and the disk
	disk s
	ask POST "/v1/campaigns/$doubtful/pause"
	ask POST "/v1/campaigns/$doubtful/resume"
	disk -
	fired | grep -qx RollcallCommitsSlow
}
must wait_for 60 slow
all_fired() { nothing comm -13 <(fired) <(expected); }
it "each alert fires" wait_for 60 all_fired
comm -13 <(fired) <(expected)
it "each names its hub, campaign, limit or webhook where it is about one" nothing jq -r '
	.data.result[].metric | select((.alertname | test("Hub")) and .hub == null or (.alertname | test("Webhook")) and .webhook == null) | .alertname' \
	<(metric 'last_over_time(ALERTS{alertstate="firing"}[5m])')

# --- the dashboard's questions, to the same Prometheus ---

unanswered() { # as Grafana asks them, over all that has happened here, were it for one scrape
	jq -r '.panels[].targets[]?.expr' "$top/deploy/monitoring/grafana.json" | sed 's/\$__rate_interval/5m/g; s/\$instance/.*/g' |
		while IFS= read -r expr; do
			metric "last_over_time(($expr)[5m:200ms])" | jq -r --arg expr "$expr" 'select(.status != "success" or .data.result == []) | "\($expr): \(.error // "nothing")"'
		done
}
it "each panel of the dashboard has something to show" nothing unanswered
