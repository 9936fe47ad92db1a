"""Serving over gRPC: the Open Inference Protocol, health and reflection.

:class:`~weft.serve.grpc.face.GrpcInference` is a face as any other; it opens a port of its own on the server's event
loop. It needs the extra ``grpc``: the packages grpcio and protobuf are loaded when it starts, and by nothing else.

How a request goes
    a message's bytes → ``Door``: ``Access.admit``, room for its bytes, its end told to ``Services.observers`` → a
    method of ``rpcs`` (or ``stream``) → ``asked`` → ``Models.infer`` → ``answered`` → bytes.

The messages are in ``inference.proto`` and its neighbours; ``proto`` reads these at start.
"""
