// Predictions over gRPC, without generated code: messages are made from the protocol's descriptors.
// java -cp "$GRPC" PredictGrpc.java localhost:8081 ../../../serving-image/modelmoor_server/grpc/descriptors.binpb

import com.google.protobuf.ByteString;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.Descriptors.MethodDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.TextFormat;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ClientCalls;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

public class PredictGrpc {
  private static final String SERVICE = "inference.GRPCInferenceService";

  private final ManagedChannel channel;
  private final FileDescriptor protocol;

  PredictGrpc(ManagedChannel channel, FileDescriptor protocol) {
    this.channel = channel;
    this.protocol = protocol;
  }

  public static void main(String[] args) throws Exception {
    String address = args.length > 0 ? args[0] : "localhost:8081";
    Path descriptors = Path.of(args.length > 1 ? args[1] : "../../../serving-image/modelmoor_server/grpc/descriptors.binpb");
    ManagedChannel channel = ManagedChannelBuilder.forTarget(address).usePlaintext().build();
    try {
      new PredictGrpc(channel, read(descriptors)).run();
    } finally {
      channel.shutdown();
    }
  }

  private void run() throws Exception {
    show("ready", field(call("ModelReady", "name: 'rents'"), "ready"));

    // One tensor a column of the table.
    DynamicMessage rents = call("ModelInfer", """
        model_name: 'rents'
        inputs { name: 'district' datatype: 'BYTES' shape: 2 contents { bytes_contents: ['Station', 'Old Town'] } }
        inputs { name: 'heating' datatype: 'BYTES' shape: 2 contents { bytes_contents: ['gas', 'gas'] } }
        inputs { name: 'area' datatype: 'FP64' shape: 2 contents { fp64_contents: [35.8, 109.5] } }
        inputs { name: 'rooms' datatype: 'FP64' shape: 2 contents { fp64_contents: [1, 4] } }
        inputs { name: 'floor' datatype: 'FP64' shape: 2 contents { fp64_contents: [6, 6] } }
        inputs { name: 'built' datatype: 'FP64' shape: 2 contents { fp64_contents: [1890, 1928] } }
        """);
    show("rents", values(rents, 0));

    String flowers = "inputs { name: 'x' datatype: 'FP64' shape: [2, 4]"
        + " contents { fp64_contents: [5.1, 3.4, 1.5, 0.2, 5.5, 2.4, 3.7, 1.0] } }";
    DynamicMessage iris = call(
        "ModelInfer", "model_name: 'iris' outputs { name: 'predict' } outputs { name: 'predict_proba' } " + flowers);
    show("iris", values(iris, 0));
    show("iris probabilities", values(iris, 1));

    try {
      call("ModelInfer", "model_name: 'nobody' " + flowers);
    } catch (StatusRuntimeException refused) {
      // UNAVAILABLE: come back; DEADLINE_EXCEEDED: smaller requests, or more time; any other code: change the request
      show("refused", Map.of(
          "status", refused.getStatus().getCode().name(), "sentence", refused.getStatus().getDescription()));
    }
  }

  /** One call, with a deadline: the server drops what nobody waits for. request: the message in protobuf's text form. */
  private DynamicMessage call(String name, String request) throws TextFormat.ParseException {
    MethodDescriptor method = protocol.findServiceByName("GRPCInferenceService").findMethodByName(name);
    DynamicMessage.Builder asked = DynamicMessage.newBuilder(method.getInputType());
    TextFormat.merge(request, asked);
    io.grpc.MethodDescriptor<DynamicMessage, DynamicMessage> unary =
        io.grpc.MethodDescriptor.<DynamicMessage, DynamicMessage>newBuilder()
            .setType(MethodType.UNARY)
            .setFullMethodName(io.grpc.MethodDescriptor.generateFullMethodName(SERVICE, name))
            .setRequestMarshaller(ProtoUtils.marshaller(DynamicMessage.getDefaultInstance(method.getInputType())))
            .setResponseMarshaller(ProtoUtils.marshaller(DynamicMessage.getDefaultInstance(method.getOutputType())))
            .build();
    CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(30, TimeUnit.SECONDS);
    return ClientCalls.blockingUnaryCall(channel, unary, options, asked.build());
  }

  /** The values of an output: a request with typed contents is answered with typed contents. */
  private static List<?> values(DynamicMessage answer, int place) {
    Descriptor type = answer.getDescriptorForType();
    DynamicMessage output = (DynamicMessage) answer.getRepeatedField(type.findFieldByName("outputs"), place);
    DynamicMessage contents = (DynamicMessage) field(output, "contents");
    // the one field of the output's datatype
    List<?> values = (List<?>) contents.getAllFields().values().iterator().next();
    return values.stream().map(value -> value instanceof ByteString text ? text.toStringUtf8() : value).toList();
  }

  private static Object field(DynamicMessage message, String name) {
    return message.getField(message.getDescriptorForType().findFieldByName(name));
  }

  /** The protocol's file out of a set that protoc wrote: `protoc --descriptor_set_out`. */
  private static FileDescriptor read(Path descriptors) throws Exception {
    Map<String, FileDescriptor> known = new HashMap<>();
    for (var file : FileDescriptorSet.parseFrom(Files.readAllBytes(descriptors)).getFileList()) {
      FileDescriptor[] imports = file.getDependencyList().stream().map(known::get).toArray(FileDescriptor[]::new);
      known.put(file.getName(), FileDescriptor.buildFrom(file, imports));
    }
    return known.get("inference.proto");
  }

  private static void show(String label, Object value) {
    System.out.println(label + ": " + json(value));
  }

  private static String json(Object value) {
    if (value instanceof List<?> list) {
      return list.stream().map(PredictGrpc::json).collect(Collectors.joining(", ", "[", "]"));
    }
    if (value instanceof Map<?, ?> map) {
      return map.entrySet().stream()
          .map(entry -> json(entry.getKey()) + ": " + json(entry.getValue()))
          .collect(Collectors.joining(", ", "{", "}"));
    }
    return value instanceof String text ? '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"' : value.toString();
  }
}
