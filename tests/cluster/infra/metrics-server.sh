# shellcheck shell=bash disable=SC2154
# metrics-server's manifest for a small machine, from its own module. Sourced after lib.sh and go.sh.

# kind's kubelets serve self-signed certificates; the release waits 20 s before it asks whether it is ready, and takes a
# figure every 15 s: half a minute in which an HPA sees nothing
metrics_server_manifest() {
  "$("$infra/tools.sh" --bin)/kubectl" kustomize "$(source_of kubernetes sigs.k8s.io/metrics-server)/manifests/overlays/release" 2>/dev/null |
    sed -e 's/^\( *\)- --metric-resolution=15s/\1- --metric-resolution=10s\n\1- --kubelet-request-timeout=5s\n\1- --kubelet-insecure-tls/' \
      -e '/initialDelaySeconds: 20/ { s/20/2/; n; s/10/2/ }' -e 's/cpu: 100m/cpu: 10m/' -e 's/memory: 200Mi/memory: 64Mi/'
}

metrics_server_image() { awk '$1 == "image:" { print $2 }' <<<"$(metrics_server_manifest)"; }
