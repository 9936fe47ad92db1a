"""Serving: models (and functions) over HTTP and gRPC.

How it is put together
    :class:`~weft.serve.services.Services` is what there is: models, access, settings, counters. A *face*
    (:class:`~weft.serve.app.Face`) is one protocol over it. :class:`~weft.serve.server.Server` runs the faces::

        models = Models(flow.functions.models(), memory=2 * GIB)  # a file is loaded once per process
        models.add("mobilenet", ModelSpec(path, labels=path, queue=256))
        server = Server(Services(models, ServerSettings(port=0)), [OpenInference(), …])
        server.start(); server.url; server.close()

How a request goes
    connection (``protocol``: how many, headers) → ``App``: length, ``Access.admit`` → a face's endpoint with a
    :class:`~weft.serve.call.Call` → ``Models.infer`` → a ``Lane`` (queue, threads, batches) → the engine → the answer →
    ``Services.observers``.

Rules for faces
    * Raise the errors of ``weft.core.errors``; the app makes them ``{"error": …}`` with their status (``answers``).
    * Who asks is ``call.caller``; pass it on (``InferRequest.caller``, ``caller=``), and whoever does the work asks
      ``caller.require(action, kind, name)``. There is no default caller: nobody can forget it.
    * Read bodies with ``await call.body()`` or Starlette's request: both keep the limits on size and time.
    * Set ``call.route`` (one of few words) and ``call.subject`` (model or function): metrics and logs read them.
"""
