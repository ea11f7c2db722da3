#!/usr/bin/env bash
# Prints the folder of the Prometheus operator's CustomResourceDefinitions, one file a kind (fetched once, some 10 s).
# usage: monitoring-crds.sh
source "$(dirname "$0")/lib.sh"
source "$infra/go.sh"

[ $# -eq 0 ] || usage 2
echo "$(source_of prometheus-operator github.com/prometheus-operator/prometheus-operator)/example/prometheus-operator-crd"
