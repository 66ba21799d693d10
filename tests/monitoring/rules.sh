#!/usr/bin/env bash
# tests/monitoring: the alert rules: sound, each fires when it should and not before, each has a test and a place in the
# runbook; and rules and dashboard ask for metrics that the service has. $ROLLCALLD names the service.
. "$(dirname "$0")/../e2e/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
monitoring=$top/deploy/monitoring

it "the rules are sound" promtool check rules "$monitoring/alerts.yml"
it "Prometheus' configuration is sound" promtool check config "$monitoring/prometheus.yml"
it "each alert fires when it should, and not before" promtool test rules "$top/tests/monitoring/alerts.test.yml"
sed -n 's/^ *- alert: //p' "$monitoring/alerts.yml" >"$folder/alerts"
it "each alert is tested" diff "$folder/alerts" <(sed -n 's/^  - name: //p' "$top/tests/monitoring/alerts.test.yml")
it "the runbook has each alert, and no other" diff "$folder/alerts" <(sed -n 's/^### //p' "$top/deploy/operations.md")
it "each alert points to its place in it" diff <(tr '[:upper:]' '[:lower:]' <"$folder/alerts") \
	<(sed -n 's/^ *runbook: deploy\/operations.md#//p' "$monitoring/alerts.yml")

start_hub main --devices 3 <<<'{"history": true}'
echo "whsec_$(head -c 24 /dev/urandom | base64)" >"$folder/secret"
jq -n --arg secret "$folder/secret" '[{name: "ops", url: "http://127.0.0.1:9/", secretFile: $secret}]' >"$folder/webhooks.json"
chmod 600 "$folder/webhooks.json" "$folder/secret"
configure <<<"{\"webhooksFile\": \"$folder/webhooks.json\"}"
jq '.hubs[0].sku = "S1"' "$folder/config.json" >"$folder/config.new" && chmod 600 "$folder/config.new" && mv "$folder/config.new" "$folder/config.json"
start_service
must create '{"name": "one", "action": {"type": "reboot"}, "targets": {"all": true}, "verify": {"settleSeconds": 0}}'
must wait_for 60 campaign_is "$id" completed
ask GET /metrics
it "promtool finds nothing wrong with the metrics" promtool check metrics <"$folder/body"
# asked FILE…: the metrics that rules or a dashboard ask for, by the name of their family.
asked() { grep -hoE '\b(rollcall|process)_[a-z_]+' "$@" | sed -E 's/_(bucket|sum|count)$//' | sort -u; }
told=$(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$folder/body" | sort -u)
it "rules and dashboard ask for metrics that the service has" nothing comm -23 <(asked "$monitoring/alerts.yml" "$monitoring/grafana.json") <(echo "$told")
it "the dashboard is JSON with a query in each panel" jq -e '[.panels[] | select(.type != "row") | .targets[].expr] | length > 20 and all(. != "")' "$monitoring/grafana.json"
