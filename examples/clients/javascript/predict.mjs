// Predictions over HTTP with nothing but fetch.
// node predict.mjs http://localhost:8080

const server = process.argv[2] ?? "http://localhost:8080";

class Refused extends Error {
  constructor(status, sentence, retryAfter) {
    super(`${status} ${sentence}`);
    this.status = status; // 4xx: change the request; 503: come back in `retryAfter` seconds; 5xx: look at the server
    this.retryAfter = retryAfter;
  }
}

/** One request; the answer's JSON, or Refused with the server's own sentence. */
async function ask(path, body) {
  const response = await fetch(server + path, {
    method: body ? "POST" : "GET",
    headers: body ? { "content-type": "application/json" } : {},
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  const answer = await response.json();
  if (!response.ok) throw new Refused(response.status, answer.error, Number(response.headers.get("retry-after")));
  return answer;
}

/** Protocol v1: rows in, predictions out. A row is an object by column name, or a list. */
async function predict(model, instances) {
  return (await ask(`/v1/models/${model}:predict`, { instances })).predictions;
}

/** Open Inference Protocol v2: tensors in, the asked outputs out, by name. */
async function infer(model, inputs, outputs) {
  const answer = await ask(`/v2/models/${model}/infer`, { inputs, outputs: outputs.map((name) => ({ name })) });
  return Object.fromEntries(answer.outputs.map((tensor) => [tensor.name, tensor]));
}

const show = (label, value) => console.log(`${label}: ${JSON.stringify(value)}`);

show("ready", (await ask("/v2/health/ready")).ready);

// Text and numbers in one row; null is a missing value.
const flats = [
  { district: "Station", heating: "gas", area: 35.8, rooms: 1, floor: 6, built: 1890 },
  { district: "Old Town", heating: null, area: 109.5, rooms: 4, floor: 6, built: 1928 },
  { district: "Old Town", heating: "district", area: 132.7, rooms: 4, floor: 6, built: null },
];
show("rents", await predict("rents", flats));

// One tensor of two rows; its data may be nested or flat.
const flowers = { name: "x", shape: [2, 4], datatype: "FP64", data: [5.1, 3.4, 1.5, 0.2, 5.5, 2.4, 3.7, 1.0] };
const answer = await infer("iris", [flowers], ["predict", "predict_proba"]);
show("iris", answer.predict.data);
show("iris probabilities", answer.predict_proba.data);

try {
  await predict("rents", [{ district: "Station" }]);
} catch (error) {
  if (!(error instanceof Refused)) throw error; // no answer at all: DNS, connection, time
  show("refused", { status: error.status, sentence: error.message });
}
