// Predictions over gRPC. The .proto file is read when the program starts, so there is no generated code to keep.
//
//	go run ./grpc localhost:8081 ../../../serving-image/protos/inference.proto
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/bufbuild/protocompile"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Client calls methods of inference.GRPCInferenceService; requests and answers are written as JSON.
type Client struct {
	connection *grpc.ClientConn
	methods    protoreflect.MethodDescriptors
}

func Dial(ctx context.Context, address, proto string) (*Client, error) {
	resolver := &protocompile.SourceResolver{ImportPaths: []string{filepath.Dir(proto)}}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(resolver)}
	files, err := compiler.Compile(ctx, filepath.Base(proto))
	if err != nil {
		return nil, err
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	return &Client{connection, files[0].Services().ByName("GRPCInferenceService").Methods()}, nil
}

// Call makes one call with a deadline: the server drops what nobody waits for. An error has a code, by status.Code.
func (c *Client) Call(ctx context.Context, name protoreflect.Name, in, out any) error {
	method := c.methods.ByName(name)
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, answer := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	if err := protojson.Unmarshal(text, request); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := c.connection.Invoke(ctx, fmt.Sprintf("/%s/%s", method.Parent().FullName(), name), request, answer); err != nil {
		return err
	}
	text, err = protojson.MarshalOptions{UseProtoNames: true}.Marshal(answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, out)
}

// Infer asks one model; the outputs come in the asked order.
func (c *Client) Infer(ctx context.Context, request Request) ([]Tensor, error) {
	var answer struct{ Outputs []Tensor }
	err := c.Call(ctx, "ModelInfer", request, &answer)
	return answer.Outputs, err
}

// Tensor is an input or an output. []byte is how JSON, and so a program, carries the protocol's BYTES.
type Tensor struct {
	Name     string    `json:"name"`
	Datatype string    `json:"datatype,omitempty"`
	Shape    []string  `json:"shape,omitempty"` // 64-bit numbers are text in protobuf's JSON
	Contents *Contents `json:"contents,omitempty"`
}

type Contents struct {
	Numbers []float64 `json:"fp64_contents,omitempty"`
	Texts   [][]byte  `json:"bytes_contents,omitempty"`
}

type Request struct {
	Model   string   `json:"model_name"`
	Inputs  []Tensor `json:"inputs"`
	Outputs []Tensor `json:"outputs,omitempty"`
}

func main() {
	log.SetFlags(0)
	address, proto := "localhost:8081", "../../../serving-image/protos/inference.proto"
	if len(os.Args) > 2 {
		address, proto = os.Args[1], os.Args[2]
	}
	ctx := context.Background()
	client, err := Dial(ctx, address, proto)
	if err == nil {
		defer client.connection.Close()
		err = run(ctx, client)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, client *Client) error {
	var health struct{ Ready bool }
	if err := client.Call(ctx, "ModelReady", map[string]string{"name": "rents"}, &health); err != nil {
		return err
	}
	show("ready", health.Ready)

	// One tensor a column of the table.
	flats := Request{Model: "rents", Inputs: []Tensor{
		texts("district", "Station", "Old Town"),
		texts("heating", "gas", "gas"),
		numbers("area", 35.8, 109.5),
		numbers("rooms", 1, 4),
		numbers("floor", 6, 6),
		numbers("built", 1890, 1928),
	}}
	rents, err := client.Infer(ctx, flats)
	if err != nil {
		return err
	}
	show("rents", rents[0].Contents.Numbers)

	flowers := numbers("x", 5.1, 3.4, 1.5, 0.2, 5.5, 2.4, 3.7, 1.0)
	flowers.Shape = []string{"2", "4"}
	asked := []Tensor{{Name: "predict"}, {Name: "predict_proba"}}
	outputs, err := client.Infer(ctx, Request{"iris", []Tensor{flowers}, asked})
	if err != nil {
		return err
	}
	species := []string{}
	for _, text := range outputs[0].Contents.Texts {
		species = append(species, string(text))
	}
	show("iris", species)
	show("iris probabilities", outputs[1].Contents.Numbers)

	// Unavailable: come back; DeadlineExceeded: smaller requests, or more time; any other code: change the request.
	_, err = client.Infer(ctx, Request{Model: "nobody", Inputs: []Tensor{flowers}})
	refused, ok := status.FromError(err)
	if err == nil || !ok {
		return fmt.Errorf("an unknown model was not refused: %w", err)
	}
	show("refused", map[string]string{"status": refused.Code().String(), "sentence": refused.Message()})
	return nil
}

func numbers(name string, values ...float64) Tensor {
	return Tensor{name, "FP64", []string{fmt.Sprint(len(values))}, &Contents{Numbers: values}}
}

func texts(name string, values ...string) Tensor {
	contents := &Contents{}
	for _, value := range values {
		contents.Texts = append(contents.Texts, []byte(value))
	}
	return Tensor{name, "BYTES", []string{fmt.Sprint(len(values))}, contents}
}

func show(label string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", label, text)
}
