// The CustomResourceDefinitions of the Prometheus operator, as they lie in its module; nothing is built.
module modelmoor.dev/infra/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
