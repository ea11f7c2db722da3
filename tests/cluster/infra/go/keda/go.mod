// KEDA, built in a copy of its own source: its go.mod and go.sum hold, for a module's replace lines are not inherited.
module modelmoor.dev/infra/keda

go 1.26.4

require github.com/kedacore/keda/v2 v2.21.0
