// Predictions over gRPC: one call, and a stream whose answers keep the order of its requests.
// npm install && node grpc.mjs localhost:8081 ../../../serving-image/protos/inference.proto

import { once } from "node:events";
import { promisify } from "node:util";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const [address = "localhost:8081", proto = "../../../serving-image/protos/inference.proto"] = process.argv.slice(2);

const { inference } = grpc.loadPackageDefinition(protoLoader.loadSync(proto, { keepCase: true, longs: Number }));
const client = new inference.GRPCInferenceService(address, grpc.credentials.createInsecure());

/** A call as a promise, with a deadline: the server drops what nobody waits for. */
function call(method, request) {
  const options = { deadline: Date.now() + 30_000 };
  return promisify((done) => client[method](request, new grpc.Metadata(), options, done))();
}

const text = (name, values) => ({
  name,
  datatype: "BYTES",
  shape: [values.length],
  contents: { bytes_contents: values.map((value) => Buffer.from(value)) },
});
const numbers = (name, values, shape = [values.length]) => ({
  name,
  datatype: "FP64",
  shape,
  contents: { fp64_contents: values },
});

/** The values of an output: a request with typed contents is answered with typed contents. */
function values({ datatype, contents }) {
  const known = {
    BYTES: () => contents.bytes_contents.map((value) => value.toString()),
    FP64: () => contents.fp64_contents,
    FP32: () => contents.fp32_contents,
    INT64: () => contents.int64_contents,
  };
  return known[datatype]();
}

const show = (label, value) => console.log(`${label}: ${JSON.stringify(value)}`);

show("ready", (await call("ModelReady", { name: "rents" })).ready);

// One tensor a column of the table.
const flats = [
  text("district", ["Station", "Old Town"]),
  text("heating", ["gas", "gas"]),
  numbers("area", [35.8, 109.5]),
  numbers("rooms", [1, 4]),
  numbers("floor", [6, 6]),
  numbers("built", [1890, 1928]),
];
show("rents", values((await call("ModelInfer", { model_name: "rents", inputs: flats })).outputs[0]));

const flowers = numbers("x", [5.1, 3.4, 1.5, 0.2, 5.5, 2.4, 3.7, 1.0], [2, 4]);
const asked = [{ name: "predict" }, { name: "predict_proba" }];
const answer = await call("ModelInfer", { model_name: "iris", inputs: [flowers], outputs: asked });
show("iris", values(answer.outputs[0]));
show("iris probabilities", values(answer.outputs[1]));

// A stream: an error is one of its messages, and the stream goes on.
const stream = client.ModelStreamInfer();
const seen = [];
stream.on("data", ({ error_message, infer_response }) =>
  seen.push(error_message ? "refused" : values(infer_response.outputs[0])[0]),
);
for (const row of [[5.1, 3.4, 1.5, 0.2], [1.0], [5.5, 2.4, 3.7, 1.0]]) {
  stream.write({ model_name: "iris", inputs: [numbers("x", row, [1, row.length])] });
}
stream.end();
await once(stream, "end");
show("stream", seen);

try {
  await call("ModelInfer", { model_name: "nobody", inputs: [flowers] });
} catch (error) {
  // UNAVAILABLE: come back; DEADLINE_EXCEEDED: smaller requests, or more time; any other code: change the request
  if (error.code === undefined) throw error;
  show("refused", { status: grpc.status[error.code], sentence: error.details });
}
client.close();
