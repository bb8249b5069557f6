"""Known files: hashes, the two folders, downloads from a server on this machine."""

import errno
import http.server
import os
import re
import shutil
import subprocess
import threading

import pytest

from grn_exp.core.errors import InputError
from grn_exp.storage import store
from tests.messages import naming

KEY = "beeline/hESC/tfs500/ExpressionData.csv.gz"
CONTENT = bytes(range(256)) * 700


def sha1(content: bytes, folder) -> str:
    path = folder / "to_hash"
    path.write_bytes(content)
    return store.git_blob_sha1(path)


class Server(http.server.ThreadingHTTPServer):
    """Serves one content, with ``Range``; counts what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.status = 200
        self.knows_ranges = True
        self.stop_after: int | None = None
        self.asked: list[str | None] = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server: Server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        content, status, start = server.content, server.status, 0
        if wanted and server.knows_ranges and status == 200:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            status = 206 if start < len(content) else 416
        body = content[start:] if status in (200, 206) else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.stop_after])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, no_data, tmp_path):
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        known = store.KnownFile(
            key=KEY,
            url=f"http://127.0.0.1:{server.server_port}/file.gz",
            git_blob_sha1=sha1(CONTENT, tmp_path),
        )
        monkeypatch.setattr(store, "registry", lambda: {KEY: known})
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server
        server.shutdown()


def part_of(cache):
    path = cache / (KEY + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def fetch_fails(*parts):
    with pytest.raises(InputError, match=naming(*parts)):
        store.fetch(KEY)


# -- hashes and the registry ---------------------------------------------------------------


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("content", [b"", b"one\r\nline\n", CONTENT, b"x" * (1 << 20) + b"y"])
def test_the_hash_is_gits(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    command = ["git", "hash-object", "--no-filters", str(path)]
    expected = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert store.git_blob_sha1(path) == expected.stdout.strip()


def test_every_registry_entry_is_pinned_and_stays_in_the_cache():
    entries = store.registry()
    assert len(entries) > 50
    for key, known in entries.items():
        assert known.key == key
        assert re.fullmatch(r"[0-9a-f]{40}", known.git_blob_sha1)
        assert re.match(
            r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/[0-9a-f]{40}/", known.url
        )
        assert " " not in known.url
        assert ".." not in key.split("/")
        assert not key.startswith("/")


def test_held_files_have_the_registrys_hashes(real_data):
    folder = real_data()
    held = [key for key in store.registry() if (folder / key).is_file()]
    if not held:
        pytest.skip("GRN_EXP_DATA holds no file of the registry")
    for key in held:
        assert store.fetch(key) == folder / key


def test_an_unknown_key_names_its_neighbours():
    with pytest.raises(InputError, match=naming(f"'{KEY}'")):
        store.fetch(KEY.replace("hESC", "hESX"))
    with pytest.raises(InputError, match=naming("'zzz'", "python -m grn_exp.data list")):
        store.locate("zzz")


# -- the data folder and the cache ---------------------------------------------------------


def test_a_data_folder_that_is_none_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    for value in (tmp_path / "none", tmp_path / "file"):
        monkeypatch.setenv("GRN_EXP_DATA", str(value))
        fetch_fails(f"GRN_EXP_DATA={value}")


def test_the_platforms_cache_is_used_where_none_is_named(monkeypatch):
    monkeypatch.delenv("GRN_EXP_CACHE")
    assert store.cache_dir().name == "grn_exp"


def test_a_file_of_the_data_folder_is_used_where_it_lies(server, own_cache, monkeypatch, tmp_path):
    data = tmp_path / "data"
    (data / KEY).parent.mkdir(parents=True)
    (data / KEY).write_bytes(CONTENT)
    monkeypatch.setenv("GRN_EXP_DATA", str(data))
    before = sorted(data.rglob("*"))
    assert store.fetch(KEY) == data / KEY
    assert sorted(data.rglob("*")) == before
    assert server.asked == []
    assert not list(own_cache.iterdir())


def test_no_cache_is_needed_for_what_the_data_folder_has(server, no_cache, monkeypatch, tmp_path):
    data = tmp_path / "data"
    (data / KEY).parent.mkdir(parents=True)
    (data / KEY).write_bytes(CONTENT)
    monkeypatch.setenv("GRN_EXP_DATA", str(data))
    assert store.fetch(KEY) == store.locate(KEY) == data / KEY


def test_a_cache_that_is_needed_and_not_there_is_named(server, no_cache, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert store.locate(KEY) is None
    fetch_fails("GRN_EXP_CACHE")
    assert server.asked == []
    assert not (tmp_path / "~").exists()


def test_what_the_data_folder_lacks_goes_to_the_cache(server, own_cache, monkeypatch, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("GRN_EXP_DATA", str(data))
    assert store.locate(KEY) is None
    assert store.fetch(KEY) == own_cache / KEY == store.locate(KEY)
    assert not list(data.iterdir())


def test_a_bad_file_in_the_cache_is_deleted_and_said_so(server, own_cache):
    (own_cache / KEY).parent.mkdir(parents=True)
    (own_cache / KEY).write_bytes(CONTENT[:-1])
    fetch_fails(str(own_cache / KEY), sha1(CONTENT, own_cache))
    assert not (own_cache / KEY).exists()
    assert server.asked == []
    assert store.fetch(KEY).read_bytes() == CONTENT  # as the message promised


@pytest.mark.parametrize("inside_cache", [False, True])
def test_a_bad_file_in_the_data_folder_is_left_alone(
    server, own_cache, monkeypatch, tmp_path, inside_cache
):
    data = own_cache if inside_cache else tmp_path / "data"
    (data / KEY).parent.mkdir(parents=True)
    (data / KEY).write_bytes(b"my own")
    monkeypatch.setenv("GRN_EXP_DATA", str(data))
    fetch_fails(str(data / KEY), sha1(CONTENT, tmp_path), "GRN_EXP_DATA")
    assert (data / KEY).read_bytes() == b"my own"


# -- downloads -----------------------------------------------------------------------------


def files_in(cache):
    return sorted(
        path.name for path in (cache / KEY).parent.iterdir() if not path.name.endswith(".lock")
    )


def test_a_download_is_complete_and_made_once(server, own_cache):
    assert store.fetch(KEY) == own_cache / KEY
    assert (own_cache / KEY).read_bytes() == CONTENT
    assert store.fetch(KEY) == own_cache / KEY
    assert server.asked == [None]
    assert files_in(own_cache) == ["ExpressionData.csv.gz"]


def test_a_download_goes_on_where_it_stopped(server, own_cache):
    part_of(own_cache).write_bytes(CONTENT[:1000])
    assert store.fetch(KEY).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_a_cut_connection_keeps_its_part_and_the_next_try_ends_it(server, own_cache):
    server.stop_after = 70_000
    fetch_fails("IncompleteRead", str(own_cache / KEY), "GRN_EXP_DATA")
    assert files_in(own_cache) == ["ExpressionData.csv.gz.part"]
    kept = part_of(own_cache).read_bytes()
    assert kept == CONTENT[: len(kept)]
    server.stop_after = None
    assert store.fetch(KEY).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={len(kept)}-" if kept else None]


def test_a_part_that_is_whole_needs_no_more_bytes(server, own_cache):
    part_of(own_cache).write_bytes(CONTENT)
    assert store.fetch(KEY).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("foreign", [b"something else", CONTENT + b"more"])
def test_a_part_of_another_file_is_discarded(server, own_cache, foreign):
    part_of(own_cache).write_bytes(foreign)
    assert store.fetch(KEY).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(foreign)}-", None]


def test_a_server_without_ranges_sends_the_whole_file(server, own_cache):
    server.knows_ranges = False
    part_of(own_cache).write_bytes(CONTENT[:1000])
    assert store.fetch(KEY).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 416, 500])
def test_a_server_error_says_where_to_put_the_file(server, own_cache, status):
    server.status = status
    fetch_fails(str(status), str(own_cache / KEY), "GRN_EXP_DATA")
    assert not (own_cache / KEY).exists()


def test_a_server_error_keeps_what_was_already_there(server, own_cache):
    server.status = 404
    part_of(own_cache).write_bytes(CONTENT[:1000])
    fetch_fails("404")
    assert part_of(own_cache).read_bytes() == CONTENT[:1000]


def test_no_server_is_one_line(server, own_cache):
    server.shutdown()
    server.server_close()
    fetch_fails("ConnectionError", str(own_cache / KEY))
    assert not (own_cache / KEY).exists()


def test_wrong_content_is_deleted(server, own_cache, tmp_path):
    server.content = b"<html>please log in</html>"
    fetch_fails("/file.gz", sha1(CONTENT, tmp_path), str(own_cache / KEY))
    assert files_in(own_cache) == []
    server.content = CONTENT
    assert store.fetch(KEY).read_bytes() == CONTENT


def test_many_at_once_download_once(server, own_cache):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(store.fetch(KEY).read_bytes()))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [CONTENT] * 6
    assert server.asked == [None]


def test_a_cache_that_cannot_be_written_is_named(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRN_EXP_CACHE", str(tmp_path / "file" / "cache"))
    fetch_fails(str(tmp_path / "file"), "Not a directory", "GRN_EXP_CACHE")
    assert server.asked == []


def test_a_full_disk_is_no_network_failure(server, own_cache, monkeypatch):
    import pooch

    def full(self, url, stream, owner):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", full)
    fetch_fails(str(own_cache / KEY), "No space left", "GRN_EXP_CACHE")
    assert not (own_cache / KEY).exists()
    monkeypatch.undo()
