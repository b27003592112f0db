"""A server for the disks of a node, which records what all of them are asked to write, in one order.

It speaks NBD (newstyle, fixed) on a Unix socket and serves raw images. As a process of its own:

    python3 -m rig.recorder SOCKET RECORD NAME=IMAGE...

A request is recorded when it has been carried out, just before it is answered. A flush makes stable
what had been answered when the flush *arrived*; it is recorded with that place in the record, as a disk
owes nothing for writes that are under way beside a flush. It takes FLUSH_SECONDS, in which other requests
are carried out: who does not wait for a flush is ahead of it in the record. The format of the record:
timeline.py."""
import os
import selectors
import socket
import struct
import sys
import time

from rig.timeline import DISCARD, FLUSH, WRITE, Entry

MAGIC, OPTION, OPTION_REPLY = 0x4e42444d41474943, 0x49484156454f5054, 0x3e889045565a9
REQUEST_MAGIC, REPLY_MAGIC = 0x25609513, 0x67446698
FIXED_NEWSTYLE, NO_ZEROES = 1, 2
EXPORT_NAME, ABORT, LIST, INFO, GO = 1, 2, 3, 6, 7
ACK, SERVER, INFO_REPLY, UNSUPPORTED, UNKNOWN = 1, 2, 3, 1 << 31 | 1, 1 << 31 | 6
READ, WRITE_COMMAND, DISCONNECT, FLUSH_COMMAND, TRIM, WRITE_ZEROES = 0, 1, 2, 3, 4, 6
FUA = 1
HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_ZEROES = 1, 4, 8, 32, 64
EXPORT_FLAGS = HAS_FLAGS | SEND_FLUSH | SEND_FUA | SEND_TRIM | SEND_ZEROES
INVALID = 22
FLUSH_SECONDS = 0.02
BLOCK_BYTES, PREFERRED_BYTES, REQUEST_BYTES_MAX = 512, 4096, 32 << 20

OPTION_HEAD = struct.Struct(">QII")         # magic, option, length
REPLY_HEAD = struct.Struct(">QIII")         # magic, option, reply, length
REQUEST = struct.Struct(">IHHQQI")          # magic, flags, command, cookie, offset, length
REPLY = struct.Struct(">IIQ")               # magic, error, cookie


class Export:
    """An image, with its number in the record."""

    def __init__(self, number, path):
        self.number = number
        self.fd = os.open(path, os.O_RDWR)
        self.size = os.fstat(self.fd).st_size


class Record:
    """The file of entries. One write() for each, so that a kill leaves at most the last one cut short."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self.count = 0

    def append(self, entry, data=b""):
        os.write(self.fd, entry.pack() + data)
        self.count += 1


class Connection:
    """A client: first the negotiation, then requests for one export."""

    def __init__(self, sock, exports, record):
        self.sock, self.exports, self.record = sock, exports, record
        self.export = None
        self.no_zeroes = False
        self.buffer = bytearray()
        self.step = self._client_flags
        self.waiting = []       # of (flags, command, cookie, offset, length, data, arrived)
        self.flushes = []       # of (when it is due, a request as above)

    def greet(self):
        self.sock.sendall(struct.pack(">QQH", MAGIC, OPTION, FIXED_NEWSTYLE | NO_ZEROES))
        return True

    def receive(self):
        """Takes in what the socket has; False when the client is gone."""
        data = self.sock.recv(4 << 20)
        self.buffer += data
        while self.step and self.step():
            pass
        return bool(data) and self.step is not None

    def _take(self, size):
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    # negotiation

    def _client_flags(self):
        if len(self.buffer) < 4:
            return False
        self.no_zeroes = bool(struct.unpack(">I", self._take(4))[0] & NO_ZEROES)
        self.step = self._option
        return True

    def _option(self):
        if len(self.buffer) < OPTION_HEAD.size:
            return False
        magic, option, length = OPTION_HEAD.unpack_from(self.buffer)
        if magic != OPTION or length > 65536:
            self.step = None
            return False
        if len(self.buffer) < OPTION_HEAD.size + length:
            return False
        body = self._take(OPTION_HEAD.size + length)[OPTION_HEAD.size:]
        self._answer(option, body)
        return self.step is not None

    def _answer(self, option, body):
        if option == EXPORT_NAME:
            self.export = self.exports.get(body.decode())
            self.step = self._request if self.export else None
            if self.export:
                self.sock.sendall(struct.pack(">QH", self.export.size, EXPORT_FLAGS) +
                                  bytes(0 if self.no_zeroes else 124))
        elif option in (INFO, GO):
            self._info(option, body)
        elif option == LIST:
            for name in self.exports:
                self._reply(option, SERVER, struct.pack(">I", len(name)) + name.encode())
            self._reply(option, ACK)
        elif option == ABORT:
            self._reply(option, ACK)
            self.step = None
        else:
            self._reply(option, UNSUPPORTED)

    def _info(self, option, body):
        length = struct.unpack_from(">I", body)[0]
        export = self.exports.get(body[4:4 + length].decode())
        if not export:
            self._reply(option, UNKNOWN)
            return
        self._reply(option, INFO_REPLY, struct.pack(">HQH", 0, export.size, EXPORT_FLAGS))
        self._reply(option, INFO_REPLY, struct.pack(">HIII", 3, BLOCK_BYTES, PREFERRED_BYTES, REQUEST_BYTES_MAX))
        self._reply(option, ACK)
        if option == GO:
            self.export, self.step = export, self._request

    def _reply(self, option, kind, body=b""):
        self.sock.sendall(REPLY_HEAD.pack(OPTION_REPLY, option, kind, len(body)) + body)

    # transmission

    def _request(self):
        """Takes a request in; it is carried out later, when all that arrived has been taken in."""
        if len(self.buffer) < REQUEST.size:
            return False
        magic, flags, command, cookie, offset, length = REQUEST.unpack_from(self.buffer)
        size = REQUEST.size + (length if command == WRITE_COMMAND else 0)
        if magic != REQUEST_MAGIC or size > REQUEST.size + REQUEST_BYTES_MAX:
            self.step = None
            return False
        if len(self.buffer) < size:
            return False
        data = self._take(size)[REQUEST.size:]
        request = flags, command, cookie, offset, length, data, self.record.count
        if command == FLUSH_COMMAND:
            self.flushes.append((time.monotonic() + FLUSH_SECONDS, request))
        else:
            self.waiting.append(request)
        return True

    def due(self):
        """When there is something to carry out: 0 at once, None never unless something arrives."""
        if self.waiting:
            return 0
        return self.flushes[0][0] if self.flushes else None

    def carry_out(self):
        """A flush whose time has come, or the oldest other request; False when the client wants to go."""
        flush = self.flushes and self.flushes[0][0] <= time.monotonic()
        flags, command, cookie, offset, length, data, arrived = (self.flushes.pop(0)[1] if flush else
                                                                 self.waiting.pop(0))
        if command == DISCONNECT:
            return False
        error, answer = 0, b""
        if command == FLUSH_COMMAND:
            self.record.append(Entry(self.export.number, FLUSH, arrived, 0, 0))
        elif offset % BLOCK_BYTES or length % BLOCK_BYTES or offset + length > self.export.size:
            error = INVALID
        elif command == READ:
            answer = os.pread(self.export.fd, length, offset)
        elif command in (WRITE_COMMAND, TRIM, WRITE_ZEROES):
            self._change(command, offset, length, data)
            if flags & FUA:
                # the disk may do more than it is asked: what was answered before becomes stable, too
                self.record.append(Entry(self.export.number, FLUSH, self.record.count, 0, 0))
        else:
            error = INVALID
        self.sock.sendall(REPLY.pack(REPLY_MAGIC, error, cookie) + answer)
        return True

    def _change(self, command, offset, length, data):
        if command == WRITE_COMMAND:
            os.pwrite(self.export.fd, data, offset)
            self.record.append(Entry(self.export.number, WRITE, 0, offset, length), data)
        else:
            os.pwrite(self.export.fd, bytes(length), offset)
            self.record.append(Entry(self.export.number, DISCARD, 0, offset, length))


class Server:
    """All connections, in one thread: so the record has one order."""

    def __init__(self, listener, record, exports):
        self._listener, self._record, self._exports = listener, record, exports
        self._connections = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)

    def serve(self):
        while True:
            self.turn()

    def turn(self):
        """Takes in what has arrived, then carries out one request of each client."""
        dues = [due for connection in self._connections.values() if (due := connection.due()) is not None]
        for key, _ in self._selector.select(max(min(dues) - time.monotonic(), 0) if dues else None):
            if key.fileobj is self._listener:
                self._begin(self._listener.accept()[0])
            else:
                self._keep(key.fileobj, Connection.receive)
        for sock, connection in list(self._connections.items()):
            due = connection.due()
            if due is not None and due <= time.monotonic():
                self._keep(sock, Connection.carry_out)

    def _begin(self, sock):
        self._selector.register(sock, selectors.EVENT_READ)
        self._connections[sock] = Connection(sock, self._exports, self._record)
        self._keep(sock, Connection.greet)

    def _keep(self, sock, step):
        """Goes on with a connection, which ends if it says so, or if the client has gone."""
        try:
            alive = step(self._connections[sock])
        except ConnectionError:
            alive = False
        if not alive:
            self._end(sock)

    def _end(self, sock):
        self._selector.unregister(sock)
        del self._connections[sock]
        sock.close()


def main(path, record, *exports):
    images = dict(words.split("=", 1) for words in exports)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    Server(listener, Record(record), {name: Export(number, image)
                                      for number, (name, image) in enumerate(images.items())}).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
