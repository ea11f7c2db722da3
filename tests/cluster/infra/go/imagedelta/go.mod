// imagedelta, which keeps `images.sh load` from sending a node the layers that it has.
module modelmoor.dev/infra/imagedelta

go 1.26.0
