"""A stand-in for W&B's server: keeps runs, and can refuse a key or stop answering."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeWandb(ThreadingHTTPServer):
    """What was sent, run by run; ``status`` is what every request is answered with."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.runs: dict[str, dict[str, Any]] = {}
        self.files: list[str] = []
        self.status = 200

    def handle_error(self, *args: object) -> None:
        """Let it go: the client hangs up where it likes."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def history(self, run: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.runs[run]["wandb-history.jsonl"]]

    def summary(self, run: str) -> dict[str, Any]:
        return json.loads(self.runs[run]["wandb-summary.json"][-1])

    def answer(self, query: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer GraphQL."""
        name = asked.get("name")
        if "query Viewer" in query:
            return {"viewer": {"id": "u", "entity": "me", "username": "me", "flags": "{}"}}
        if "query RunResumeStatus" in query:
            return {"model": {"id": "p", "bucket": self._resumable(name)}}
        if "mutation UpsertBucket" in query:
            run = self.runs.setdefault(name, {"config": {}, "tails": {}})
            told = ("groupName", "jobType", "tags", "notes", "project")
            run |= {key: asked[key] for key in told if asked.get(key)}
            run["displayName"] = asked.get("displayName") or run.get("displayName")
            run["config"] |= json.loads(asked.get("config") or "{}")
            owner = {"id": "p", "name": asked.get("project"), "entity": {"id": "e", "name": "me"}}
            bucket = {"id": name, "name": name, "displayName": run["displayName"]}
            return {"upsertBucket": {"inserted": True, "bucket": {**bucket, "project": owner}}}
        if "mutation CreateRunFiles" in query:
            files = [{"name": file, "uploadUrl": f"{self.url}/{file}"} for file in asked["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        if "mutation CreateArtifact" in query:
            made = {"id": "a", "state": "COMMITTED", "artifactSequence": {"id": "s"}}
            return {"createArtifact": {"artifact": made}}
        return {"project": None}  # of which a table's kind is asked

    def take_lines(self, run: str, files: dict[str, Any]) -> None:
        """Put lines where the client says that they belong."""
        for name, sent in files.items():
            lines = self.runs[run].setdefault(name, [])
            lines[sent["offset"] : sent["offset"] + len(sent["content"])] = sent["content"]

    def _resumable(self, name: str | None) -> dict[str, Any] | None:
        run = self.runs.get(name or "")
        if run is None:
            return None
        kept = {key: run.get(f"wandb-{key}.jsonl", []) for key in ("history", "events")}
        counts = {f"{key}LineCount": len(lines) for key, lines in kept.items()}
        tails = {f"{key}Tail": json.dumps(lines[-1:]) for key, lines in kept.items()}
        summary = (run.get("wandb-summary.json") or ["{}"])[-1]
        config, used = json.dumps(run["config"]), json.dumps({"t": 1})
        state = {"logLineCount": 0, "summaryMetrics": summary, "config": config, "tags": []}
        return {"id": name, "name": name, "wandbConfig": used, **counts, **tails, **state}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeWandb

    def do_GET(self) -> None:
        self._send({})

    def do_PUT(self) -> None:
        self._body()
        self.server.files.append(self.path.lstrip("/"))
        self._send({})

    def do_POST(self) -> None:
        body = self._body()
        if self.server.status != 200:
            self._send({"error": "no"})
        elif self.path.endswith("/graphql"):
            body = json.loads(body)
            self._send({"data": self.server.answer(body["query"], body.get("variables") or {})})
        elif self.path.endswith("/file_stream"):
            self.server.take_lines(self.path.split("/")[4], json.loads(body).get("files") or {})
            self._send({"exitcode": None, "limits": {}})
        else:
            self._send({})

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _send(self, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        del args


@contextlib.contextmanager
def serving() -> Iterator[FakeWandb]:
    """Serve on a free port meanwhile."""
    server = FakeWandb()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
