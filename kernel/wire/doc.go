// Package wire carries Jupyter messages: the sockets of ZMTP 3.1 that a kernel needs, and the signed message format on top.
//
// Three layers, each usable and testable alone:
//
//   - frames, handshake and mechanisms of one connection (frame.go, handshake.go, conn.go),
//   - sockets over many connections: [Router] for shell, control and stdin, [Publisher] for iopub, [Echo] for the
//     heartbeat, and [Dial] for the client's end of any of them,
//   - messages: [Codec] turns frames into a [Message] and back, with signatures and a refusal of replays; content.go
//     has a struct and a validator for each message type.
//
// A peer is not trusted until a message with a valid signature came from it ([Peer.Trust]). Before that it can make the
// process hold [Limits].Untrusted bytes at most, and nothing that it sends is parsed beyond its framing.
//
// Nothing is dropped in silence. A queue towards a peer is bounded; when it is full the sender waits, and a peer that
// makes the sender wait longer than [Limits].Stall is disconnected, so that one stuck peer never stops the others.
//
// References: ZMTP 3.1 https://rfc.zeromq.org/spec/37/, CURVE https://rfc.zeromq.org/spec/26/, the messages
// https://jupyter-client.readthedocs.io/en/stable/messaging.html (version 5.5).
package wire
