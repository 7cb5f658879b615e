"""A Hub on the loopback interface: enough of the HTTP API for the real client and the real `datasets`.

Test code. It keeps repositories in memory and blobs in a folder, knows two logins, and misbehaves when told to:
`faults` answers with an error, cuts a body short or flips a bit in it; `before_commit` lets somebody else commit first.
`requests` lists what was asked and how many bytes were answered. With `xet` set to a folder, uploads go through the
file-based store of hf_xet, which is a testing feature of that library and documented nowhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import yaml

WRITER = "hf_loopbackWriter0123456789"  # may create and write below "org"
READER = "hf_loopbackReader0123456789"  # may read what is public
_USERS = {WRITER: "org", READER: "guest"}

_DATE = "2026-01-01T00:00:00.000Z"
_LFS = (".safetensors", ".parquet", ".png", ".jpg", ".bin", ".tar")
_KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
_ATTRIBUTES = b"".join(b"*%s filter=lfs diff=lfs merge=lfs -text\n" % suffix.encode() for suffix in _LFS)


@dataclass(frozen=True)
class StoredFile:
    """One file of a commit."""

    sha256: str
    size: int
    is_lfs: bool
    git_oid: str
    xet: str | None = None

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_lfs else self.git_oid


@dataclass(frozen=True)
class Commit:
    """A state of a repository."""

    oid: str
    parent: str | None
    title: str
    files: dict[str, StoredFile]


@dataclass
class Repository:
    """Commits, and the names that point at them."""

    name: str
    kind: str
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def find(self, revision: str) -> Commit | None:
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        if oid in self.commits:
            return self.commits[oid]
        near = [known for known in self.commits if len(revision) >= 7 and known.startswith(revision)]
        return self.commits[near[0]] if len(near) == 1 else None

    def add(self, branch: str, files: dict[str, StoredFile], title: str, *, parent: str | None) -> Commit:
        told = json.dumps([parent, title, sorted((path, file.sha256) for path, file in files.items())])
        oid = hashlib.sha1(f"{len(self.commits)} {told}".encode()).hexdigest()
        self.commits[oid] = Commit(oid, parent, title, files)
        self.branches[branch] = oid
        return self.commits[oid]


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose method and path match."""

    pattern: str
    method: str = "GET"
    times: int = 1
    status: int | None = None  # answer this
    flip: int | None = None  # change the byte at this place of the body
    cut: int | None = None  # announce the whole body, send so many bytes and close


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str = "", message: str = "refused") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Request:
    """One line of the log."""

    method: str
    path: str
    status: int = 0
    sent: int = 0  # bytes of the body


class LoopbackHub:
    """The state behind the server; see the module's docstring."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "blobs").mkdir(parents=True)
        self.url = ""
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.before_commit: Callable[[], None] | None = None
        self.xet: Path | None = None
        self.lock = threading.RLock()

    def repository(self, name: str, kind: str = "dataset") -> Repository:
        return self.repositories[kind, name]

    def seed(self, name: str, files: dict[str, bytes], *, kind: str = "dataset", private: bool = False) -> Repository:
        """A repository that somebody else has made."""
        repository = Repository(name, kind, private)
        repository.add("main", {path: self.store(data, path) for path, data in files.items()}, "first", parent=None)
        self.repositories[kind, name] = repository
        return repository

    def change(self, name: str, files: dict[str, bytes | None], *, kind: str = "dataset") -> Commit:
        """A commit that somebody else makes on main; None removes a file."""
        repository = self.repository(name, kind)
        head = repository.commits[repository.branches["main"]]
        kept = {path: file for path, file in head.files.items() if path not in files}
        new = {path: self.store(data, path) for path, data in files.items() if data is not None}
        return repository.add("main", {**kept, **new}, "theirs", parent=head.oid)

    def read(self, name: str, path: str, revision: str = "main", *, kind: str = "dataset") -> bytes:
        commit = self.repository(name, kind).find(revision)
        assert commit is not None
        return self.bytes_of(commit.files[path])

    def store(self, data: bytes, path: str) -> StoredFile:
        sha256 = hashlib.sha256(data).hexdigest()
        (self.root / "blobs" / sha256).write_bytes(data)
        is_lfs = path.endswith(_LFS)
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(data)}\n".encode()
        return StoredFile(sha256, len(data), is_lfs, _git_oid(pointer if is_lfs else data))

    def bytes_of(self, file: StoredFile) -> bytes:
        blob = self.root / "blobs" / file.sha256
        if not blob.exists() and file.xet is not None:
            self._leave_xet(file, blob)
        return blob.read_bytes()

    def bytes_sent(self, pattern: str = "") -> int:
        """Of bodies whose path matches, since `requests` was cleared."""
        return sum(request.sent for request in self.requests if re.search(pattern, request.path))

    def xet_hash(self, sha256: str) -> str | None:
        """Under which hash hf_xet stored a file, from the tables it wrote: records of 48 bytes."""
        if self.xet is None:
            return None
        for table in self.xet.glob("xet/xorbs/shards/*.mdb"):
            data, at = table.read_bytes(), 48
            while at + 48 <= len(data) and data[at : at + 32] != b"\xff" * 32:
                name = data[at : at + 32]
                flags, entries = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (32, 36))
                at += 48 + 48 * entries * (2 if flags >> 31 & 1 else 1)
                if flags >> 30 & 1:
                    if _xet_hex(data[at : at + 32]) == sha256:
                        return _xet_hex(name)
                    at += 48
        return None

    def _leave_xet(self, file: StoredFile, blob: Path) -> None:
        # In another process: the client under test owns this one's hf_xet.
        code = (
            "import sys, hf_xet\n"
            "group = hf_xet.XetSession().new_file_download_group(endpoint=sys.argv[1], token='x',"
            " token_expiry_unix_secs=2**40)\n"
            "with group as files:\n"
            "    files.start_download_file(hf_xet.XetFileInfo(sys.argv[2], int(sys.argv[3])), sys.argv[4])\n"
        )
        place = f"local://{self.xet}"
        subprocess.run([sys.executable, "-c", code, place, str(file.xet), str(file.size), str(blob)], check=True)


@contextmanager
def serving(root: Path) -> Iterator[LoopbackHub]:
    """A running Hub whose blobs lie in `root`."""
    hub = LoopbackHub(root)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _xet_hex(data: bytes) -> str:
    return b"".join(data[i : i + 8][::-1] for i in range(0, 32, 8)).hex()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LoopbackHub

    def log_message(self, *_: Any) -> None:
        pass

    def _answer_request(self) -> None:
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query))
        self.body = self._read_body()
        self.request_line = Request(self.command, parts.path)
        self.hub.requests.append(self.request_line)
        self.fault = self._fault(parts.path)
        try:
            if self.fault is not None and self.fault.status is not None:
                raise Refused(self.fault.status, message="something went wrong")
            with self.hub.lock:
                self._route(parts.path)
        except Refused as refused:
            headers = {"X-Error-Code": refused.code, "X-Error-Message": refused.message}
            self._send(refused.status, {"error": refused.message}, headers if refused.code else {})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer_request

    def _fault(self, path: str) -> Fault | None:
        for fault in self.hub.faults:
            if fault.times and fault.method == self.command and re.search(fault.pattern, path):
                fault.times -= 1
                return fault
        return None

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, status: int, body: Any = b"", headers: dict[str, Any] | None = None) -> None:
        headers = dict(headers or {})
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        fault = self.fault
        if fault is not None and fault.flip is not None and len(body) > fault.flip:
            body = body[: fault.flip] + bytes([body[fault.flip] ^ 1]) + body[fault.flip + 1 :]
        headers.setdefault("Content-Length", len(body))
        self.request_line.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault is not None and fault.cut is not None:
            body, self.close_connection = body[: fault.cut], True
        self.request_line.sent = len(body)
        self.wfile.write(body)

    @property
    def _user(self) -> str | None:
        return _USERS.get((self.headers.get("Authorization") or "").removeprefix("Bearer "))

    def _route(self, path: str) -> None:
        if path == "/api/whoami-v2":
            return self._whoami()
        if path == "/api/validate-yaml":
            return self._validate(json.loads(self.body))
        if path == "/api/repos/create":
            return self._create(json.loads(self.body))
        if path == "/api/datasets":
            return self._search()
        for pattern, answer in _ROUTES:
            if match := re.fullmatch(pattern, path):
                return answer(self, **match.groupdict())
        raise Refused(404, message="no such page")

    def _whoami(self) -> None:
        if self._user is None:
            raise Refused(401, message="Invalid credentials in Authorization header")
        self._send(200, {"type": "user", "name": self._user, "orgs": [], "auth": {"type": "access_token"}})

    def _validate(self, told: dict[str, Any]) -> None:
        match = re.match(r"---\n(.*?)\n---\n", told["content"], re.DOTALL)
        metadata = yaml.safe_load(match[1]) if match else {}
        errors = []
        if not isinstance(metadata, dict):
            errors.append("metadata is no mapping")
        elif not re.fullmatch(r"[a-z0-9.+-]+", metadata.get("license") or "other"):
            errors.append('"license" is not one that is known')
        answer = {"errors": [{"message": error} for error in errors], "warnings": []}
        self._send(400 if errors else 200, answer)

    def _create(self, told: dict[str, Any]) -> None:
        owner = told.get("organization") or self._user
        if self._user is None:
            raise Refused(401, message="Invalid username or password.")
        if self._user != owner:
            raise Refused(403, message="You may not create a repository here")
        kind, name = told.get("type") or "model", f"{owner}/{told['name']}"
        url = f"{self.hub.url}/{'' if kind == 'model' else kind + 's/'}{name}"
        if (kind, name) in self.hub.repositories:
            return self._send(409, {"error": "You already created this repo", "url": url})
        private = told.get("private") is True or told.get("visibility") == "private"
        self.hub.seed(name, {".gitattributes": _ATTRIBUTES}, kind=kind, private=private)
        self._send(200, {"url": url, "name": name})

    def _search(self) -> None:
        found = []
        for (kind, name), repository in self.hub.repositories.items():
            head = repository.find("main")
            assert head is not None
            tags = (self._card(head).get("tags") or []) if "README.md" in head.files else []
            fits = self.query.get("filter") in (None, *tags) and self.query.get("search", "") in name
            if kind == "dataset" and fits and not repository.private:
                found.append({"id": name, "tags": tags})
        self._send(200, found)

    def _card(self, commit: Commit) -> dict[str, Any]:
        text = self.hub.bytes_of(commit.files["README.md"]).decode()
        match = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
        return yaml.safe_load(match[1]) if match else {}

    def _repository(self, plural: str | None, name: str, *, write: bool = False) -> Repository:
        repository = self.hub.repositories.get((_KINDS[plural or "models"], name))
        owner = name.partition("/")[0]
        if repository is None or (repository.private and self._user != owner):
            raise Refused(401 if self._user is None else 404, "RepoNotFound", "Repository not found")
        if write and self._user is None:
            raise Refused(401, message="Invalid username or password.")
        if write and self._user != owner:
            raise Refused(403, message="You may not write here")
        return repository

    def _commit(self, repository: Repository, revision: str) -> Commit:
        commit = repository.find(unquote(revision))
        if commit is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def _info(self, plural: str, name: str, revision: str | None = None) -> None:
        repository = self._repository(plural, name)
        commit = self._commit(repository, revision or "main")
        self._send(
            200,
            {
                "id": name, "sha": commit.oid, "private": repository.private, "gated": False, "disabled": False,
                "lastModified": _DATE, "createdAt": _DATE, "tags": [], "downloads": 0, "likes": 0,
                "siblings": [{"rfilename": path} for path in sorted(commit.files)],
            },
        )  # fmt: skip

    def _refs(self, plural: str, name: str) -> None:
        repository = self._repository(plural, name)

        def listed(names: dict[str, str], prefix: str) -> list[dict[str, str]]:
            return [{"name": short, "ref": prefix + short, "targetCommit": oid} for short, oid in names.items()]

        branches = {short: oid for short, oid in repository.branches.items() if not short.startswith("refs/")}
        self._send(
            200,
            {
                "branches": listed(branches, "refs/heads/"),
                "tags": listed(repository.tags, "refs/tags/"),
                "converts": [],
            },
        )

    def _tag(self, plural: str, name: str, revision: str) -> None:
        repository = self._repository(plural, name, write=True)
        tag = json.loads(self.body)["tag"]
        if tag in repository.tags:
            raise Refused(409, message="Tag reference exists already")
        repository.tags[tag] = self._commit(repository, revision).oid
        self._send(200, {})

    def _tree(self, plural: str, name: str, revision: str, folder: str | None = None) -> None:
        commit = self._commit(self._repository(plural, name), revision)
        prefix = f"{unquote(folder).strip('/')}/" if folder else ""
        deep, entries, folders = self.query.get("recursive", "").lower() == "true", [], set()
        for path, file in sorted(commit.files.items()):
            if not path.startswith(prefix):
                continue
            steps = path[len(prefix) :].split("/")[:-1]
            for depth in range(1, len(steps) + 1 if deep else min(len(steps), 1) + 1):
                folders.add(prefix + "/".join(steps[:depth]))
            if deep or not steps:
                entries.append(_entry(path, file))
        if prefix and not entries and not folders:
            raise Refused(404, "EntryNotFound", f"{prefix} does not exist")
        self._send(200, [*[_folder(path) for path in sorted(folders)], *entries])

    def _paths_info(self, plural: str, name: str, revision: str) -> None:
        commit = self._commit(self._repository(plural, name), revision)
        told = json.loads(self.body) if self.body.startswith(b"{") else parse_qs(self.body.decode())
        wanted = told["paths"] if isinstance(told["paths"], list) else [told["paths"]]
        entries = []
        for path in (path.strip("/") for path in wanted):
            if path in commit.files:
                entries.append(_entry(path, commit.files[path]))
            elif not path or any(known.startswith(path + "/") for known in commit.files):
                entries.append(_folder(path))
        self._send(200, entries)

    def _preupload(self, plural: str, name: str, revision: str) -> None:
        commit = self._commit(self._repository(plural, name, write="create_pr" not in self.query), revision)
        files = []
        for told in json.loads(self.body)["files"]:
            old = commit.files.get(told["path"])
            mode = "lfs" if told["path"].endswith(_LFS) else "regular"
            files.append({"path": told["path"], "uploadMode": mode, "shouldIgnore": False})
            if old is not None:
                files[-1]["oid"] = old.etag
        self._send(200, {"files": files})

    def _lfs_batch(self, plural: str | None, name: str) -> None:
        self._repository(plural, name)
        objects = []
        for told in json.loads(self.body)["objects"]:
            here = f"{self.hub.url}/_lfs/{told['oid']}"
            if not (self.hub.root / "blobs" / told["oid"]).exists():
                told = {**told, "actions": {"upload": {"href": here}, "verify": {"href": f"{here}/verify"}}}
            objects.append(told)
        self._send(200, {"transfer": "basic", "objects": objects}, {"Content-Type": "application/vnd.git-lfs+json"})

    def _lfs_object(self, oid: str, verify: str | None = None) -> None:
        blob = self.hub.root / "blobs" / oid
        if verify:
            return self._send(200 if blob.exists() else 404)
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Refused(422, message="the sha256 differs")
        blob.write_bytes(self.body)
        self._send(200)

    def _xet_token(self, plural: str, name: str, **_: str) -> None:
        if self.hub.xet is None:
            raise Refused(404, message="no xet here")
        place = f"local://{self.hub.xet}"
        headers = {"X-Xet-Cas-Url": place, "X-Xet-Access-Token": "x", "X-Xet-Token-Expiration": 2**40}
        self._send(200, {"casUrl": place, "accessToken": "x", "exp": 2**40}, headers)

    def _receive_commit(self, plural: str, name: str, revision: str) -> None:
        if (hook := self.hub.before_commit) is not None:
            self.hub.before_commit = None
            hook()
        as_request = "create_pr" in self.query
        repository = self._repository(plural, name, write=not as_request)
        head = self._commit(repository, revision)
        lines = [json.loads(line) for line in self.body.splitlines()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        if not as_request and header.get("parentCommit") not in (None, head.oid):
            raise Refused(412, message="A commit has happened since. Please refresh and try again.")
        files = self._applied(head.files, lines)
        number = 1 + sum(branch.startswith("refs/pr/") for branch in repository.branches)
        branch = f"refs/pr/{number}" if as_request else unquote(revision)
        commit = repository.add(branch, files, header["summary"], parent=head.oid)
        page = f"{self.hub.url}/{'' if plural == 'models' else plural + '/'}{name}"
        answer = {"success": True, "commitOid": commit.oid, "commitUrl": f"{page}/commit/{commit.oid}"}
        if as_request:
            answer["pullRequestUrl"] = f"{page}/discussions/{number}"
        self._send(200, answer)

    def _applied(self, files: dict[str, StoredFile], lines: list[dict[str, Any]]) -> dict[str, StoredFile]:
        files = dict(files)
        for key, value in ((line["key"], line["value"]) for line in lines):
            if key == "file":
                files[value["path"]] = self.hub.store(base64.b64decode(value["content"]), value["path"])
            elif key == "lfsFile":
                files[value["path"]] = self._uploaded(value)
            elif key == "deletedFile":
                files.pop(value["path"])
        return files

    def _uploaded(self, value: dict[str, Any]) -> StoredFile:
        blob, xet = self.hub.root / "blobs" / value["oid"], self.hub.xet_hash(value["oid"])
        if blob.exists():
            return self.hub.store(blob.read_bytes(), value["path"])
        if xet is None:
            raise Refused(400, message=f"nobody uploaded {value['oid']}")
        return StoredFile(value["oid"], value["size"], True, _git_oid(value["oid"].encode()), xet)

    def _resolve(self, plural: str | None, name: str, revision: str, path: str) -> None:
        commit = self._commit(self._repository(plural, name), revision)
        file = commit.files.get(unquote(path))
        if file is None:
            raise Refused(404, "EntryNotFound", "Entry not found")
        headers: dict[str, Any] = {
            "ETag": f'"{file.etag}"', "X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
        }  # fmt: skip
        if file.is_lfs:
            headers |= {"X-Linked-ETag": f'"{file.sha256}"', "X-Linked-Size": file.size}
        if file.xet is not None:
            token = f"{self.hub.url}/api/{plural}/{name}/xet-read-token/{commit.oid}"
            headers |= {"X-Xet-Hash": file.xet, "X-Xet-Refresh-Route": token}
        first, last = self._range(file.size)
        if first >= file.size > 0:
            return self._send(416, b"", {"Content-Range": f"bytes */{file.size}"})
        status = 206 if self.headers.get("Range") else 200
        if status == 206:
            headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
        if self.command == "HEAD":
            return self._send(status, b"", {**headers, "Content-Length": last - first + 1})
        self._send(status, self.hub.bytes_of(file)[first : last + 1], headers)

    def _range(self, size: int) -> tuple[int, int]:
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if match is None:
            return 0, size - 1
        if not match[1]:
            return max(0, size - int(match[2])), size - 1
        return int(match[1]), min(int(match[2] or size - 1), size - 1)


def _entry(path: str, file: StoredFile) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": file.size, "oid": file.git_oid}
    if file.is_lfs:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 134}
    if file.xet is not None:
        entry["xetHash"] = file.xet
    return entry


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "size": 0, "oid": "0" * 40}


_API = r"/api/(?P<plural>models|datasets|spaces)/(?P<name>[^/]+/[^/]+)"
_PAGE = r"/(?:(?P<plural>datasets|spaces)/)?(?P<name>[^/]+/[^/]+)"
_ROUTES: list[tuple[str, Callable[..., None]]] = [
    (_API, _Handler._info),
    (_API + r"/revision/(?P<revision>[^/]+)", _Handler._info),
    (_API + r"/refs", _Handler._refs),
    (_API + r"/tag/(?P<revision>[^/]+)", _Handler._tag),
    (_API + r"/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?", _Handler._tree),
    (_API + r"/paths-info/(?P<revision>[^/]+)", _Handler._paths_info),
    (_API + r"/preupload/(?P<revision>[^/]+)", _Handler._preupload),
    (_API + r"/commit/(?P<revision>[^/]+)", _Handler._receive_commit),
    (_API + r"/xet-(?:read|write)-token/(?P<revision>.+)", _Handler._xet_token),
    (_PAGE + r"\.git/info/lfs/objects/batch", _Handler._lfs_batch),
    (r"/_lfs/(?P<oid>[0-9a-f]{64})(?P<verify>/verify)?", _Handler._lfs_object),
    (_PAGE + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _Handler._resolve),
]
