// Tells of each object how tools that wait see it (Flux, Helm 4, kpt): one word a line, by kstatus itself.
// Standard input: a JSON array of objects.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	var objects []unstructured.Unstructured // reads whole numbers as such, as a client of the API server does
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		fmt.Fprintln(os.Stderr, "standard input is no JSON array of objects:", err)
		os.Exit(2)
	}
	for i := range objects {
		result, err := status.Compute(&objects[i])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(result.Status)
	}
}
