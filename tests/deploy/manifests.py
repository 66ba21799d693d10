#!/usr/bin/env python3
"""tests/deploy: what Kubernetes would be told, as kustomize has built it, standard input: its documents in YAML.

  manifests.py types       prints them as TypeScript, for Kubernetes' own types to be checked by the compiler
  manifests.py ROLLCALLD   looks at what matters, a complaint a line"""

import json
import re
import subprocess
import sys

import yaml


def types(documents):
    for i, d in enumerate(documents):
        path = "v1" if d["apiVersion"] == "v1" else d["apiVersion"].replace(".k8s.io", "")
        path = path if "/" in path else "core/" + path
        print("import { %s as T%d } from 'kubernetes-types/%s'" % (d["kind"], i, path))
        print("export const d%d: T%d = %s" % (i, i, json.dumps(d)))


def complaints(documents, rollcalld):
    by_kind = {d["kind"]: d for d in documents}
    for kind in ("StatefulSet", "Service", "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget"):
        if kind not in by_kind:
            yield "there is no " + kind
            return
    spec = by_kind["StatefulSet"]["spec"]
    pod, labels = spec["template"]["spec"], spec["template"]["metadata"]["labels"]
    container = pod["containers"][0]

    def expect(what, got, wanted):
        if got != wanted:
            yield "%s is %s, not %s" % (what, got, wanted)

    yield from expect("replicas", spec["replicas"], 1)
    yield from expect("its container", [c["name"] for c in pod["containers"]], ["rollcalld"])

    # who is selected
    selectors = {"StatefulSet": spec["selector"]["matchLabels"], "Service": by_kind["Service"]["spec"]["selector"],
                 "NetworkPolicy": by_kind["NetworkPolicy"]["spec"]["podSelector"].get("matchLabels"),
                 "PodDisruptionBudget": by_kind["PodDisruptionBudget"]["spec"]["selector"].get("matchLabels")}
    for kind, selector in selectors.items():
        if not selector or not selector.items() <= labels.items():
            yield "%s selects %s, and the pod is %s" % (kind, selector, labels)
    network = by_kind["NetworkPolicy"]["spec"]
    peers = [p["podSelector"]["matchLabels"] for rule in network["ingress"] + network["egress"]
             for p in rule.get("from", []) + rule.get("to", []) if "podSelector" in p]
    yield from expect("who may come, and who is asked for names", peers, [{"rollcall-client": "true"}, {"k8s-app": "kube-dns"}])

    # rights
    yield from expect("the pod's security", pod["securityContext"], {
        "runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"}})
    yield from expect("the container's security", container["securityContext"], {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}})
    yield from expect("the service account", pod["serviceAccountName"], by_kind["ServiceAccount"]["metadata"]["name"])
    yield from expect("its token", pod["automountServiceAccountToken"], False)

    # probes
    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        yield from expect(probe, container[probe]["httpGet"]["path"], path)
        yield from expect(probe, container[probe]["httpGet"]["port"], container["ports"][0]["name"])
    target = by_kind["Service"]["spec"]["ports"][0]["targetPort"]
    yield from expect("the service's target", target, container["ports"][0]["name"])

    # variables and mounts
    variables = {e["name"]: e["value"] for e in container["env"]}
    mounts = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
    volumes = [v["name"] for v in pod["volumes"]] + [c["metadata"]["name"] for c in spec["volumeClaimTemplates"]]
    yield from expect("what is mounted", sorted(mounts.values()), sorted(volumes))
    yield from expect("the database's volume", mounts.get("/var/lib/rollcall"), "data")
    settings = re.findall(r"^  --([a-z-]+) ", subprocess.check_output([rollcalld, "--help"], text=True), re.M)
    for name, value in variables.items():
        if name.removeprefix("ROLLCALL_").lower().replace("_", "-") not in settings:
            yield "%s is no setting" % name
        if value.startswith("/run/") and not any(value.startswith(m + "/") for m in mounts):
            yield "%s=%s is not mounted" % (name, value)
    is_tls = "ROLLCALL_TLS_CERT_FILE" in variables
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        yield from expect(probe + "'s scheme", container[probe]["httpGet"].get("scheme", "HTTP"), "HTTPS" if is_tls else "HTTP")
    if int(variables["ROLLCALL_DRAIN_SECONDS"]) >= pod["terminationGracePeriodSeconds"]:
        yield "it is killed before it has drained"

    # the image
    version = subprocess.check_output([rollcalld, "--version"], text=True).split()[1]
    yield from expect("the image", container["image"], "rollcall:" + version)


def main():
    documents = [d for d in yaml.safe_load_all(sys.stdin) if d is not None]
    if sys.argv[1] == "types":
        types(documents)
    else:
        for complaint in complaints(documents, sys.argv[1]):
            print(complaint)


main()
