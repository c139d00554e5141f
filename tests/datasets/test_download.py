"""Downloads against a server of our own that breaks off midway, ignores ranges, or serves something else."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from convergence.datasets.download import Remote, download

CONTENT = np.random.default_rng(0).bytes(300_001)


class Server(ThreadingHTTPServer):
    """Serves CONTENT; every answer ends after `at_most` bytes. `asked` lists the ranges."""
    at_most, ranges, status, served = 10**9, True, 200, CONTENT

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def remote(self, content=CONTENT):
        return Remote(f"http://127.0.0.1:{self.server_port}/file.zip", len(content), hashlib.md5(content).hexdigest())


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.asked.append(asked)
        start = int(asked.split("=")[1].rstrip("-")) if asked and server.ranges else 0
        if server.status != 200:
            self.send_error(server.status)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.served) - 1}/{len(server.served)}")
        self.send_header("Content-Length", str(len(server.served) - start))
        self.end_headers()
        self.wfile.write(server.served[start:start + server.at_most])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


def test_a_connection_that_breaks_off_is_continued(server, tmp_path):
    server.at_most = 120_000
    target = download(server.remote(), tmp_path / "new" / "file.zip")
    assert target.read_bytes() == CONTENT and [path.name for path in target.parent.iterdir()] == ["file.zip"]
    assert server.asked == [None, "bytes=120000-", "bytes=240000-"]


def test_a_later_call_goes_on_where_the_first_stopped(server, tmp_path):
    server.at_most = 70_000
    with pytest.raises(OSError, match=r"140,000 of 300,001 bytes are in .*file.zip.part, run again to go on from there"):
        download(server.remote(), tmp_path / "file.zip", attempts=2)
    assert not (tmp_path / "file.zip").exists()
    server.at_most = 10**9
    assert download(server.remote(), tmp_path / "file.zip").read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=140000-"


def test_a_server_that_ignores_ranges_starts_anew(server, tmp_path):
    (tmp_path / "file.zip.part").write_bytes(b"something else")
    server.ranges = False
    assert download(server.remote(), tmp_path / "file.zip").read_bytes() == CONTENT


def test_another_content_is_refused_and_deleted(server, tmp_path):
    server.served = CONTENT[::-1]
    with pytest.raises(ValueError, match=r"what arrived is damaged or another file \(300,001 bytes, MD5 .*; "
                                         "expected 300,001 bytes, MD5 .*deleted"):
        download(server.remote(), tmp_path / "file.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_compared_and_not_fetched(server, tmp_path):
    target = tmp_path / "file.zip"
    target.write_bytes(CONTENT)
    assert download(server.remote(), target) == target
    target.write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError, match="file.zip is not the file of http://127.0.0.1.*300,000 bytes.*delete it "
                                         "and download again"):
        download(server.remote(), target)
    assert server.asked == []


def test_a_server_that_refuses_is_quoted(server, tmp_path):
    server.status = 404
    with pytest.raises(OSError, match="HTTP Error 404: Not Found; 0 of 300,001 bytes are in"):
        download(server.remote(), tmp_path / "file.zip", attempts=1)
