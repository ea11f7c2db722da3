// Predictions over HTTP with the standard library.
//
//	go run ./rest http://localhost:8080
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

// Refused is an answer other than 200. 4xx: change the request; 503: come back after RetryAfter; 5xx: look at the server.
type Refused struct {
	Status     int
	Sentence   string
	RetryAfter string
}

func (r *Refused) Error() string { return fmt.Sprintf("%d %s", r.Status, r.Sentence) }

type Client struct {
	Server string
	HTTP   http.Client
}

// Ask sends one request and reads the answer's JSON into out.
func (c *Client) Ask(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.Server+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.HTTP.Do(request)
	if err != nil {
		return err // no answer at all: DNS, connection, time
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		var problem struct{ Error string }
		if err := json.NewDecoder(response.Body).Decode(&problem); err != nil {
			return fmt.Errorf("status %d without a sentence: %w", response.StatusCode, err)
		}
		return &Refused{response.StatusCode, problem.Error, response.Header.Get("Retry-After")}
	}
	return json.NewDecoder(response.Body).Decode(out)
}

// Predict speaks protocol v1: rows in, one prediction a row into out.
func (c *Client) Predict(ctx context.Context, model string, instances, out any) error {
	answer := struct{ Predictions any }{out}
	return c.Ask(ctx, http.MethodPost, "/v1/models/"+model+":predict", map[string]any{"instances": instances}, &answer)
}

// Tensor is an input or an output of the Open Inference Protocol v2; Data may be flat.
type Tensor struct {
	Name     string `json:"name"`
	Shape    []int  `json:"shape,omitempty"`
	Datatype string `json:"datatype,omitempty"`
	Data     any    `json:"data,omitempty"`
}

// Infer speaks protocol v2: tensors in, the asked outputs out, in the asked order.
func (c *Client) Infer(ctx context.Context, model string, inputs []Tensor, outputs ...string) ([]Tensor, error) {
	asked := []Tensor{}
	for _, name := range outputs {
		asked = append(asked, Tensor{Name: name})
	}
	var answer struct{ Outputs []Tensor }
	request := map[string]any{"inputs": inputs, "outputs": asked}
	err := c.Ask(ctx, http.MethodPost, "/v2/models/"+model+"/infer", request, &answer)
	return answer.Outputs, err
}

// Flat is a row of text and numbers; nil is a missing value.
type Flat struct {
	District string   `json:"district"`
	Heating  *string  `json:"heating"`
	Area     float64  `json:"area"`
	Rooms    int      `json:"rooms"`
	Floor    int      `json:"floor"`
	Built    *float64 `json:"built"`
}

func main() {
	log.SetFlags(0)
	server := "http://localhost:8080"
	if len(os.Args) > 1 {
		server = os.Args[1]
	}
	client := &Client{Server: server, HTTP: http.Client{Timeout: 30 * time.Second}}
	if err := run(context.Background(), client); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, client *Client) error {
	var health struct{ Ready bool }
	if err := client.Ask(ctx, http.MethodGet, "/v2/health/ready", nil, &health); err != nil {
		return err
	}
	show("ready", health.Ready)

	gas, district, year, later := "gas", "district", 1890.0, 1928.0
	flats := []Flat{
		{"Station", &gas, 35.8, 1, 6, &year},
		{"Old Town", nil, 109.5, 4, 6, &later},
		{"Old Town", &district, 132.7, 4, 6, nil},
	}
	var rents []float64
	if err := client.Predict(ctx, "rents", flats, &rents); err != nil {
		return err
	}
	show("rents", rents)

	flowers := Tensor{"x", []int{2, 4}, "FP64", []float64{5.1, 3.4, 1.5, 0.2, 5.5, 2.4, 3.7, 1.0}}
	outputs, err := client.Infer(ctx, "iris", []Tensor{flowers}, "predict", "predict_proba")
	if err != nil {
		return err
	}
	show("iris", outputs[0].Data)
	show("iris probabilities", outputs[1].Data)

	err = client.Predict(ctx, "rents", []map[string]any{{"district": "Station"}}, &rents)
	var refused *Refused
	if !errors.As(err, &refused) {
		return fmt.Errorf("a row without its columns was not refused: %w", err)
	}
	show("refused", map[string]any{"status": refused.Status, "sentence": refused.Error()})
	return nil
}

func show(label string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", label, text)
}
