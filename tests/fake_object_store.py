"""An object store on loopback that answers S3's listing and reading, so that s3:// is tested as it is used."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        query = parse_qs(url.query, keep_blank_values=True)
        if bucket == "bucket" and not key and "list-type" in query:
            return self.send(200, self.listing(query.get("prefix", [""])[0]), "application/xml", with_body)
        data = self.objects.get(key) if bucket == "bucket" else None
        if data is None:
            body = b"<Error><Code>NoSuchKey</Code><Message>nothing of this name</Message></Error>"
            return self.send(404, body, "application/xml", with_body)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and with_body:
            first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
            span = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
            return self.send(206, data[first : last + 1], "image/png", True, span)
        return self.send(200, data, "image/png", with_body)

    def listing(self, prefix):
        rows = "".join(
            f"<Contents><Key>{key}</Key><Size>{len(data)}</Size><ETag>x</ETag>"
            f"<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key, data in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        return (
            f'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>'.encode()
        )

    def send(self, status, body, kind, with_body, headers=None):
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def object_store(objects):
    """Serves objects by key in the bucket "bucket"; gives what a URL needs after "?"."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Store", (Handler,), {"objects": objects}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"?scheme=http&region=us-east-1&endpoint_override=127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
