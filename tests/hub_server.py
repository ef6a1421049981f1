"""A stand-in for the Hugging Face hub on this machine: the part of its HTTP interface that pushing and pulling use."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_letmein"
READ_ONLY = "hf_readonly"
SHA = "a" * 40


class Hub(ThreadingHTTPServer):
    """Repositories by name, each with its files by name; they are open to everybody for reading.

    Args:
        repos: those that there are.
    """

    daemon_threads = True

    def __init__(self, repos=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos = repos or {}
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_):
        pass

    def answer(self, status=200, body=b"", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refused(self, status, code, message):
        self.answer(status, {"error": message}, X_Error_Code=code, X_Error_Message=message)

    def token(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path))
        if self.token() == READ_ONLY:
            return self.refused(403, "Forbidden", "you have no right to write")
        if self.token() != TOKEN:
            return self.refused(401, "Unauthorized", "Invalid credentials in Authorization header")
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            self.server.repos.setdefault(name, {})
            return self.answer(200, {"url": f"{self.server.url}/{name}", "name": name})
        if "/preupload/" in self.path:
            asked = json.loads(body)
            modes = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked["files"]]
            return self.answer(200, {"files": modes})
        if "/commit/" in self.path:
            name = self.path.removeprefix("/api/models/").partition("/commit/")[0]
            for line in body.splitlines():
                record = json.loads(line)
                if record["key"] == "file":
                    content = base64.b64decode(record["value"]["content"])
                    self.server.repos[name][record["value"]["path"]] = content
            commit = {"commitUrl": f"{self.server.url}/{name}/commit/{SHA}", "commitOid": SHA}
            return self.answer(200, commit | {"success": True})
        return self.answer(200, {})  # the check of a card's front matter

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append((self.command, self.path))
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/"):
            name = path.removeprefix("/api/models/").partition("/revision/")[0]
            if name not in self.server.repos:
                return self.refused(401 if not self.token() else 404, "RepoNotFound", "Repository not found")
            files = [{"rfilename": k, "size": len(v)} for k, v in self.server.repos[name].items()]
            return self.answer(200, {"id": name, "modelId": name, "sha": SHA, "siblings": files})
        name, _, file = path.removeprefix("/").partition("/resolve/")
        file = file.partition("/")[2]
        content = self.server.repos.get(name, {}).get(file)
        if content is None:
            return self.refused(404, "EntryNotFound", "Entry not found")
        etag = f'"{hashlib.sha1(content).hexdigest()}"'
        return self.answer(200, content, ETag=etag, X_Repo_Commit=SHA, Content_Length=str(len(content)))


@contextmanager
def serving(repos=None):
    """A hub that is running."""
    hub = Hub(repos)
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
