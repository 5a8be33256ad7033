"""The foreign peer: gRPC's own C core, as a server for our client and as a client of our server.

  peer.py server ADDRESS [FOLDER]         serves /test.Echo/ until its input ends; prints the port
  peer.py client ADDRESS FOLDER CASE ...  makes one call; prints what came of it as JSON

FOLDER holds ca.crt, and <name>.crt and <name>.key: of "agent" for a server, of the named side for a client.
"""
import collections
import json
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf.wrappers_pb2 import StringValue

SERVICE = "test.Echo"
cancelled = collections.defaultdict(threading.Event)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def say(request, context):
    return request


def headers(request, context):
    sent = dict(context.invocation_metadata())
    context.set_trailing_metadata((("x-trailer", "behind"),))
    return StringValue(value=sent.get(request.value, "absent"))


def fail(request, context):
    code, message = request.value.split("|")
    context.set_trailing_metadata((("podcheckpointing-reason", "BecauseOfPython"),))
    context.abort([c for c in grpc.StatusCode if c.name == code][0], message)


def hang(request, context):
    gone = threading.Event()
    if not context.add_callback(gone.set):
        gone.set()
    if gone.wait(180):
        cancelled[request.value].set()
    return request


def was_cancelled(request, context):
    return StringValue(value=str(cancelled[request.value].wait(120)))


def remaining(request, context):
    time = context.time_remaining()
    return StringValue(value="none" if time is None else str(time))


def large(request, context):
    return StringValue(value="x" * int(request.value))


def crash(request, context):
    raise ValueError("secret")


def count(request, context):
    for number in range(int(request.value)):
        yield StringValue(value=str(number))


def count_and_fail(request, context):
    yield from count(request, context)
    context.abort(grpc.StatusCode.DATA_LOSS, "größer als 100 % – 検査")


def count_and_hang(request, context):
    # Told however far the stream has come: a call that is cancelled in between never reaches hang.
    if not context.add_callback(cancelled[request.value].set):
        cancelled[request.value].set()
    yield from count(request, context)
    hang(request, context)


def peer(request, context):
    return StringValue(value=context.auth_context().get("x509_subject_alternative_name", [b"none"])[0].decode())


UNARY = dict(Say=say, Headers=headers, Fail=fail, Hang=hang, WasCancelled=was_cancelled, Remaining=remaining,
             Large=large, Crash=crash, Peer=peer)
STREAMING = dict(Count=count, CountAndFail=count_and_fail, CountAndHang=count_and_hang)


def serve(address, folder):
    server = grpc.server(futures.ThreadPoolExecutor(16))
    wire = dict(request_deserializer=StringValue.FromString, response_serializer=StringValue.SerializeToString)
    handlers = {n: grpc.unary_unary_rpc_method_handler(f, **wire) for n, f in UNARY.items()}
    handlers |= {n: grpc.unary_stream_rpc_method_handler(f, **wire) for n, f in STREAMING.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    if folder:
        credentials = grpc.ssl_server_credentials(
            [(read(folder + "/agent.key"), read(folder + "/agent.crt"))], read(folder + "/ca.crt"), True)
        port = server.add_secure_port(address, credentials)
    else:
        port = server.add_insecure_port(address)
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(0).wait()


def channel_to(address, folder, side):
    if not folder:
        return grpc.insecure_channel(address)
    pair = (read(f"{folder}/{side}.key"), read(f"{folder}/{side}.crt")) if side != "nobody" else (None, None)
    credentials = grpc.ssl_channel_credentials(read(folder + "/ca.crt"), *pair)
    return grpc.secure_channel(address, credentials, (("grpc.ssl_target_name_override", "checkpoint-agent"),))


def call(address, folder, kind, method, value, timeout="", metadata="", side="operator"):
    """kind: unary, stream, or cancel<n>: a stream that is cancelled after n messages."""
    result = dict(values=[], code="", details="", trailers={})
    sent = tuple(tuple(pair.split("=")) for pair in metadata.split(",") if pair)
    with channel_to(address, folder, side) as channel:
        make = channel.unary_unary if kind == "unary" else channel.unary_stream
        stub = make(method if method.startswith("/") else f"/{SERVICE}/{method}",
                    StringValue.SerializeToString, StringValue.FromString)
        limit = float(timeout) if timeout else None
        if limit and side == "operator":
            # A call whose deadline passes while it connects reaches no handler that could be told. Nobody else may connect.
            grpc.channel_ready_future(channel).result(timeout=120)
        try:
            if kind == "unary":
                response, ended = stub.with_call(StringValue(value=value), timeout=limit, metadata=sent)
                result["values"].append(response.value)
            else:
                ended = stub(StringValue(value=value), timeout=limit, metadata=sent)
                for response in ended:
                    result["values"].append(response.value)
                    if kind == f"cancel{len(result['values'])}":
                        ended.cancel()
        except grpc.RpcError as error:
            ended = error
        result["code"], result["details"] = ended.code().name, ended.details() or ""
        result["trailers"] = {k: v for k, v in ended.trailing_metadata() or () if isinstance(v, str)}
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1] == "server":
        serve(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
    else:
        call(*sys.argv[2:])
