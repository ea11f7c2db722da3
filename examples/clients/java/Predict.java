// Predictions over HTTP with java.net.http; Jackson reads and writes the JSON.
// java -cp "$JACKSON" Predict.java http://localhost:8080

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.List;

public class Predict {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final HttpClient HTTP = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();

  private final String server;

  Predict(String server) {
    this.server = server;
  }

  /** An answer other than 200. 4xx: change the request; 503: come back later; 5xx: look at the server. */
  static class Refused extends IOException {
    final int status;

    Refused(int status, String sentence) {
      super(status + " " + sentence);
      this.status = status;
    }
  }

  /** A row of text and numbers; null is a missing value. */
  record Flat(String district, String heating, double area, int rooms, int floor, Double built) {}

  /** An input of the Open Inference Protocol v2; data may be flat. */
  record Tensor(String name, List<Integer> shape, String datatype, double[] data) {}

  /** One request; the answer's JSON. IOException without a status: no answer at all. */
  JsonNode ask(String path, JsonNode body) throws IOException, InterruptedException {
    var request = HttpRequest.newBuilder(URI.create(server + path)).timeout(Duration.ofSeconds(30));
    if (body != null) {
      request.header("Content-Type", "application/json").POST(BodyPublishers.ofByteArray(JSON.writeValueAsBytes(body)));
    }
    var response = HTTP.send(request.build(), BodyHandlers.ofByteArray());
    var answer = JSON.readTree(response.body());
    if (response.statusCode() != 200) {
      throw new Refused(response.statusCode(), answer.path("error").asText());
    }
    return answer;
  }

  /** Protocol v1: rows in, one prediction a row out. */
  JsonNode predict(String model, List<?> instances) throws IOException, InterruptedException {
    ObjectNode body = JSON.createObjectNode();
    body.set("instances", JSON.valueToTree(instances));
    return ask("/v1/models/" + model + ":predict", body).get("predictions");
  }

  /** Protocol v2: tensors in, the data of the asked outputs out, in the asked order. */
  List<JsonNode> infer(String model, List<Tensor> inputs, String... outputs) throws IOException, InterruptedException {
    ObjectNode body = JSON.createObjectNode();
    body.set("inputs", JSON.valueToTree(inputs));
    var asked = body.putArray("outputs");
    for (String name : outputs) {
      asked.addObject().put("name", name);
    }
    return ask("/v2/models/" + model + "/infer", body).get("outputs").findValues("data");
  }

  public static void main(String[] arguments) throws Exception {
    var client = new Predict(arguments.length > 0 ? arguments[0] : "http://localhost:8080");
    show("ready", client.ask("/v2/health/ready", null).get("ready"));

    var flats =
        List.of(
            new Flat("Station", "gas", 35.8, 1, 6, 1890.0),
            new Flat("Old Town", null, 109.5, 4, 6, 1928.0),
            new Flat("Old Town", "district", 132.7, 4, 6, null));
    show("rents", client.predict("rents", flats));

    var flowers = new Tensor("x", List.of(2, 4), "FP64", new double[] {5.1, 3.4, 1.5, 0.2, 5.5, 2.4, 3.7, 1.0});
    var outputs = client.infer("iris", List.of(flowers), "predict", "predict_proba");
    show("iris", outputs.get(0));
    show("iris probabilities", outputs.get(1));

    try {
      client.predict("rents", List.of(JSON.createObjectNode().put("district", "Station")));
    } catch (Refused refused) {
      show("refused", JSON.createObjectNode().put("status", refused.status).put("sentence", refused.getMessage()));
    }
  }

  private static void show(String label, JsonNode value) {
    System.out.println(label + ": " + value);
  }
}
