"""Many machines, one log: NATS JetStream puts what all of them say in one order, and each keeps a copy of it.

`address` is what names a stream, `messages` what stands in it, `stream` the line to its servers, `lead` which of the
nodes decides, `log` the EventLog that a node has of all this, and `cluster` a node's part of it as a whole.
"""
