"""Real images are fetched once, checked, announced with their terms, and refused in one line."""

import csv
import http.server
import logging
import re
import shutil
import socket
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest

import aimicro.data.fetching
from aimicro.data import DataMismatchError, DataUnavailableError, about, fetch
from aimicro.io import read_pair, read_tiff

NAME = "fmd_confocal_pairs/gt/BPAE_G.tif"
README = Path(__file__).parents[2] / "data" / "README.md"


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Return an empty folder for the data, with the cache in another empty one."""
    monkeypatch.setenv("AIMICRO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "data"


@pytest.fixture
def serve():
    """Return a function that serves a folder on this machine, and lists what was asked for."""
    servers = []

    def start(folder):
        asked = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=folder)

            def log_message(self, _, request, *rest):
                asked.append(request)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def registered(url):
    """Return the registry's entry of one file, at another address."""
    file = aimicro.data.fetching._registry()[NAME]
    return aimicro.data.fetching._RemoteFile(file.name, file.n_bytes, file.sha256, url)


def test_the_registry_is_the_manifest(shared_data):
    with (shared_data / "MANIFEST.tsv").open(encoding="utf-8") as lines:
        manifest = {row["path"]: row for row in csv.DictReader(lines, delimiter="\t")}
    registry = aimicro.data.fetching._registry()
    assert len(registry) == 29
    for name, file in registry.items():
        row = manifest[name]
        assert (file.n_bytes, file.sha256) == (int(row["bytes"]), row["sha256"])
        at_commit = f"{row['repo']}/{row['commit']}/{quote(row['source_path'])}"
        assert file.url == f"https://raw.githubusercontent.com/{at_commit}"
        assert re.search("/[0-9a-f]{40}/", file.url)  # an address that cannot change


def test_every_collection_is_described_to_python_and_to_readers():
    readme = README.read_text(encoding="utf-8")
    for name in aimicro.data.fetching._registry():
        collection = name.partition("/")[0]
        told = about(collection)
        assert f"### `{collection}`" in readme
        assert told.doi in readme
        assert told.doi in told.citation
        assert told.url in readme
        assert all(value for name, value in vars(told).items() if name != "doi")


def test_the_open_question_of_the_licence_is_not_hidden():
    told = about("fmd_confocal_pairs")
    assert told.licence.startswith("Not settled")
    assert "ask there before you publish" in told.caution
    assert "**Not settled.**" in README.read_text(encoding="utf-8")


def test_every_registered_pair_is_found_in_the_data_folder(shared_data, monkeypatch):
    monkeypatch.setenv("AIMICRO_DATA_DIR", str(shared_data))
    for channel in "BGR":
        names = [f"fmd_confocal_pairs/{kind}/BPAE_{channel}.tif" for kind in ("noisy", "gt")]
        paths = [fetch(name) for name in names]
        assert paths == [shared_data / name for name in names]
        assert [image.data.shape for image in read_pair(*paths)] == [(512, 512)] * 2


def test_a_changed_file_in_the_data_folder_is_refused(shared_data, offline):
    changed = offline / NAME
    changed.parent.mkdir(parents=True)
    content = bytearray((shared_data / NAME).read_bytes())
    content[1000] ^= 1
    changed.write_bytes(content)
    with pytest.raises(DataMismatchError, match=rf"^{changed}: Expected 262448 bytes with SHA-256"):
        fetch(NAME)


def test_one_download_is_announced_checked_and_kept(shared_data, offline, serve, caplog, capfd):
    address, asked = serve(shared_data)
    cache = offline.parent / "cache"
    with caplog.at_level(logging.INFO, logger="aimicro.data.fetching"):
        path = aimicro.data.fetching._cached(registered(f"{address}/{NAME}"), cache, progress=False)
    assert path == cache / NAME
    assert path.read_bytes() == (shared_data / NAME).read_bytes()
    assert read_tiff(path).data.shape == (512, 512)
    (record,) = caplog.records
    told = about("fmd_confocal_pairs")
    for part in ("0.3 MB", address, told.licence, told.citation, told.caution):
        assert part in record.getMessage()
    again = aimicro.data.fetching._cached(registered(f"{address}/{NAME}"), cache, progress=False)
    assert (again, len(asked), len(caplog.records)) == (path, 1, 1)
    assert capfd.readouterr() == ("", "")  # a progress bar only on request


def test_a_progress_bar_is_drawn_on_request(shared_data, offline, serve, capfd):
    address, _ = serve(shared_data)
    aimicro.data.fetching._cached(registered(f"{address}/{NAME}"), offline, progress=True)
    assert "100%" in capfd.readouterr().err


def test_what_fetch_downloads_goes_to_the_cache_of_the_user(shared_data, offline):
    kept = offline.parent / "cache" / "aimicro" / NAME
    kept.parent.mkdir(parents=True)
    shutil.copy(shared_data / NAME, kept)
    assert fetch(NAME) == kept
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(DataMismatchError, match=r"got 262447 with .* Delete the file and fetch"):
        fetch(NAME)


def test_a_download_of_something_else_is_thrown_away(shared_data, offline, serve):
    (offline / NAME).parent.mkdir(parents=True)
    (offline / NAME).write_text("<html>Please log in</html>")
    address, _ = serve(offline)
    cache = offline.parent / "cache"
    with pytest.raises(DataMismatchError, match=r"got something else, .* log in first.$") as error:
        aimicro.data.fetching._cached(registered(f"{address}/{NAME}"), cache, progress=False)
    assert not isinstance(error.value, OSError)  # or it would be taken for unavailable
    assert [file for file in cache.rglob("*") if file.is_file()] == []


def test_what_cannot_be_had_is_said_within_seconds(offline, serve):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: the connection is refused
        refused = f"http://127.0.0.1:{unused.getsockname()[1]}/{NAME}"
        offline.mkdir()
        missing = f"{serve(offline)[0]}/{NAME}"
        for url, reason in {refused: "ConnectionError", missing: "HTTPError"}.items():
            start = time.perf_counter()
            with pytest.raises(DataUnavailableError) as error:
                aimicro.data.fetching._cached(
                    registered(url), offline.parent / "cache", progress=False
                )
            assert time.perf_counter() - start < 5
            message = str(error.value)
            for part in (NAME, str(offline), "cache", url, reason, "set AIMICRO_DATA_DIR to"):
                assert part in message
            assert "\n" not in message


@pytest.mark.parametrize(
    ("ask", "name", "nearest"),
    [
        (fetch, "fmd_confocal_pairs/gt/BPAE_G.tiff", NAME),
        (fetch, "BPAE_R.tif", "fmd_confocal_pairs/gt/BPAE_R.tif"),
        (about, "fmd", "fmd_confocal_pairs"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(ask, name, nearest):
    with pytest.raises(ValueError, match=f"got '{name}'. The nearest one is '{nearest}'"):
        ask(name)


def test_all_files_are_listed_with_their_sizes_and_known_when_they_are_here(offline):
    sizes = aimicro.data.registered()
    with open(aimicro.data.fetching.__file__.replace("fetching.py", "registry.tsv")) as file:
        rows = {row["name"]: int(row["bytes"]) for row in csv.DictReader(file, delimiter="\t")}
    assert sizes == rows
    assert not aimicro.data.is_here(NAME)
    (offline / NAME).parent.mkdir(parents=True)
    (offline / NAME).touch()
    assert aimicro.data.is_here(NAME)
    with pytest.raises(ValueError, match="Expected the name of a file in the registry"):
        aimicro.data.is_here("fmd/nothing.tif")
