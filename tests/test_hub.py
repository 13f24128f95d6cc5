"""The tests' own Hub, by the real clients: what they send it, and what they make of its answers."""

import http.client
import json
import textwrap

import forks
import pytest
from hub import Hub

TOKENS = {"hf_write": ("ann", "write", ["lab"]), "hf_read": ("ann", "read", ["lab"]), "hf_other": ("bob", "write", [])}

# `tried` is what a call returned, or the class and status of its error and whether it says what is expected.
TOOLS = """
    import json, sys
    from huggingface_hub import HfApi, HfFileSystem

    def tried(call, *arguments, says="", **options):
        try:
            return str(call(*arguments, **options))
        except Exception as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            return [type(error).__name__, status, says if says in str(error) else str(error)]

    def tell(**told):
        print(json.dumps(told))

    api, folder, pairs = HfApi(), sys.argv[1], dict(repo_id="lab/pairs", repo_type="dataset")
"""


@pytest.fixture
def hub():
    with Hub(TOKENS, multipart_size=1000) as hub:
        yield hub


@pytest.fixture
def client(hub, tmp_path):
    """Runs code after the tools above in a process of its own, and returns what it told."""

    def run(code, token="hf_write"):
        code = textwrap.dedent(TOOLS) + textwrap.dedent(code)
        ran = forks.python(code, tmp_path, env=hub.environment(tmp_path / "home", token))
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return run


def committed(hub, name="lab/pairs"):
    return {path: content for path, content in hub.files(name).items() if path != ".gitattributes"}


def test_a_folder_goes_up_in_one_commit(hub, client, tmp_path):
    files = {
        "README.md": b"# Pairs\n",
        "empty.txt": b"",
        "data/basic.zip": bytes(range(256)),
        "data/in parts.parquet": bytes(range(250)) * 10,
    }
    for path, content in files.items():
        (tmp_path / "up" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "up" / path).write_bytes(content)
    told = client("""
        url = api.create_repo(**pairs)
        fresh = api.list_repo_files(**pairs)
        first = api.upload_folder(folder_path=folder + "/up", **pairs)
        unchanged = api.upload_folder(folder_path=folder + "/up", **pairs)
        late = tried(api.delete_file, "empty.txt", parent_commit="0" * 40, says="A commit has happened since", **pairs)
        deleted = api.delete_file("empty.txt", parent_commit=first.oid, **pairs)
        tell(
            url=[url, url.repo_id],
            fresh=fresh,
            commits=[first.oid, unchanged.oid, deleted.oid],
            late=late[1:],
            before=api.list_repo_files(revision=first.oid, **pairs),
            changed={found.path: found.last_commit.title for found in api.list_repo_tree(expand=True, **pairs)},
            now=[api.repo_info(**pairs).sha, api.list_repo_files(**pairs)],
        )
    """)
    assert told["url"] == [f"{hub.endpoint}/datasets/lab/pairs", "lab/pairs"]
    assert told["fresh"] == [".gitattributes"]
    first, unchanged, deleted = told["commits"]
    assert first == unchanged != deleted
    assert told["late"] == [412, "A commit has happened since"]
    assert told["before"] == [".gitattributes", *sorted(files)]
    upload = "Upload folder using huggingface_hub"
    assert told["changed"] == {".gitattributes": "initial commit", "README.md": upload, "data": upload}
    del files["empty.txt"]
    assert told["now"] == [deleted, [".gitattributes", *sorted(files)]]
    assert committed(hub) == files
    puts = [request.path.split("/")[4:] for request in hub.requests if request.method == "PUT"]
    assert sorted(number for _, *number in puts) == [[], ["1"], ["2"], ["3"]]  # of the archive, and of the parts


def test_files_come_down_whole_and_in_part(hub, client):
    files = {"README.md": b"# Pairs\n", "data/a b.parquet": bytes(range(250)) * 10, "data/more/c.txt": b"c"}
    hub.put("lab/pairs", {"README.md": b"# Old\n"})
    hub.put("lab/pairs", files)
    told = client(
        """
        def down(path):
            with open(api.hf_hub_download(filename=path, **pairs), "rb") as file:
                return file.read().hex()

        siblings = api.dataset_info("lab/pairs", files_metadata=True).siblings
        fs = HfFileSystem()
        with fs.open("datasets/lab/pairs/data/a b.parquet", block_size=100) as file:
            file.seek(1000)
            part = file.read(10)
        tell(
            siblings={found.rfilename: [found.size, found.lfs and found.lfs["size"]] for found in siblings},
            down={found.rfilename: down(found.rfilename) for found in siblings},
            part=part.hex(),
            top=[found.path for found in api.list_repo_tree(**pairs)],
            inside=[found.path for found in api.list_repo_tree(path_in_repo="data", recursive=True, **pairs)],
            paths=[found.path for found in api.get_paths_info(paths=["data", "README.md", "none"], **pairs)],
            listed=sorted(fs.ls("hf://datasets/lab/pairs/data", detail=False)),
            exists=[api.file_exists(filename=name, **pairs) for name in ("README.md", "none.md")],
            repositories=[api.repo_exists(name, repo_type="dataset") for name in ("lab/pairs", "lab/none")],
        )
        """,
        token=None,
    )
    assert told["siblings"] == {"README.md": [8, None], "data/a b.parquet": [2500, 2500], "data/more/c.txt": [1, None]}
    assert {path: bytes.fromhex(content) for path, content in told["down"].items()} == files
    assert bytes.fromhex(told["part"]) == files["data/a b.parquet"][1000:1010]
    (ranged,) = [request for request in hub.requests if request.range]
    assert ranged.range.startswith("bytes=1000-") and 10 <= ranged.sent <= 200
    assert told["top"] == ["README.md", "data"]
    assert told["inside"] == ["data/a b.parquet", "data/more", "data/more/c.txt"]
    assert told["paths"] == ["data", "README.md"]
    assert told["listed"] == ["datasets/lab/pairs/data/a b.parquet", "datasets/lab/pairs/data/more"]
    assert told["exists"] == told["repositories"] == [True, False]


@pytest.mark.parametrize(
    "asked, status, part, content",
    [
        ("bytes=2-4", 206, "bytes 2-4/10", b"234"),
        ("bytes=7-", 206, "bytes 7-9/10", b"789"),
        ("bytes=-2", 206, "bytes 8-9/10", b"89"),
        ("bytes=8-100", 206, "bytes 8-9/10", b"89"),
        ("bytes=10-", 416, "bytes */10", b""),
    ],
)
def test_a_range_is_answered_as_it_is_asked(hub, asked, status, part, content):
    hub.put("lab/pairs", {"digits.zip": b"0123456789"})
    connection = http.client.HTTPConnection(hub.endpoint[len("http://") :])
    connection.request("GET", "/datasets/lab/pairs/resolve/main/digits.zip", headers={"Range": asked})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Range"], answer.read()) == (status, part, content)
    connection.close()


def test_what_a_token_may_not_do_is_refused(hub, client):
    hub.put("lab/pairs", {"README.md": b"# Pairs\n"})
    told = client("""
        new = dict(repo_type="dataset", says="You don't have the rights to create a dataset under the namespace")
        file = dict(path_or_fileobj=b"new", path_in_repo="new.txt", **pairs)
        who = api.whoami("hf_read")
        tell(
            who=[who["name"], who["auth"]["accessToken"]["role"], [found["name"] for found in who["orgs"]]],
            unknown=[
                tried(api.whoami, "hf_none", says="Invalid user token")[2],
                tried(api.create_repo, "lab/new", repo_type="dataset", token="hf_none", says="Invalid credentials")[1:],
                tried(api.create_repo, "lab/new", repo_type="dataset", token=False, says="Invalid username")[1:],
            ],
            create=[
                tried(api.create_repo, "lab/new", token="hf_read", **new)[1:],
                tried(api.create_repo, "lab/new", token="hf_other", **new)[1:],
            ],
            write=[
                tried(api.upload_file, token="hf_read", says="you must use a write token", **file)[1:],
                tried(api.upload_file, token="hf_other", says="you must use a write token", **file)[1:],
                tried(api.upload_file, token=False, says="Invalid username", **file)[:2],
            ],
            existing=[
                tried(api.create_repo, says="You already created this dataset repo", **pairs)[1:],
                tried(api.create_repo, exist_ok=True, **pairs),
            ],
        )
    """)
    assert told["who"] == ["ann", "read", ["lab"]]
    assert told["unknown"] == ["Invalid user token", [401, "Invalid credentials"], [401, "Invalid username"]]
    assert told["create"] == [[403, "You don't have the rights to create a dataset under the namespace"]] * 2
    assert told["write"] == [[403, "you must use a write token"]] * 2 + [["RepositoryNotFoundError", 401]]
    assert told["existing"] == [[409, "You already created this dataset repo"], f"{hub.endpoint}/datasets/lab/pairs"]
    assert hub.files("lab/pairs") == {"README.md": b"# Pairs\n"} and set(hub.repositories) == {"lab/pairs"}


def test_private_and_missing_is_not_found(hub, client):
    hub.put("lab/pairs", {"README.md": b"# Public\n"})
    told = client("""
        secret, none = ({**pairs, "repo_id": name} for name in ("lab/secret", "lab/none"))
        api.create_repo(private=True, **secret)
        tell(
            mine=api.repo_info(**secret).private,
            secret=[tried(api.repo_info, token=token, **secret)[:2] for token in ("hf_other", False)],
            file=tried(api.hf_hub_download, filename=".gitattributes", token=False, **secret)[0],
            upload=tried(api.upload_file, path_or_fileobj=b"", path_in_repo="a", **none)[:2],
            revision=tried(api.repo_info, revision="none", says="Invalid rev id: none", **pairs),
            missing=tried(api.hf_hub_download, filename="none.md", says="Entry Not Found", **pairs),
        )
    """)
    assert told["mine"] is True
    assert told["secret"] == [["RepositoryNotFoundError", 404], ["RepositoryNotFoundError", 401]]
    assert told["file"] == "RepositoryNotFoundError"
    assert told["upload"] == ["RepositoryNotFoundError", 404]
    assert told["revision"] == ["RevisionNotFoundError", 404, "Invalid rev id: none"]
    assert told["missing"][0].endswith("EntryNotFoundError") and told["missing"][1:] == [404, "Entry Not Found"]


def test_it_fails_as_often_as_asked(hub, client):
    hub.put("lab/pairs", {})
    hub.fail("POST", "/commit/", 500)
    told = client("""
        file = dict(path_or_fileobj=b"new", path_in_repo="new.txt", **pairs)
        first = tried(api.upload_file, says="Failed as the test asked", **file)
        api.upload_file(**file)
        tell(first=first[1:])
    """)
    assert told["first"] == [500, "Failed as the test asked"]
    assert hub.files("lab/pairs") == {"new.txt": b"new"}


def test_a_pushed_dataset_loads_prepared_and_streaming(hub, client):
    told = client("""
        import datasets, PIL.Image
        datasets.config.USE_PARQUET_EXPORT = False

        def rows(split):
            return [[row["name"], row["image"].size, row["image"].getpixel((0, 0))] for row in split]

        images = [PIL.Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
        pictures = datasets.Dataset.from_dict({"name": ["a", "b"], "image": images})
        pictures.push_to_hub("lab/pictures")
        datasets.DatasetDict(train=pictures, test=pictures.select([1])).push_to_hub("lab/both", private=True)
        both = datasets.load_dataset("lab/both")
        tell(
            features=str(both["train"].features["image"]),
            both={split: rows(both[split]) for split in both},
            prepared=rows(datasets.load_dataset("lab/pictures", split="train")),
            streaming=rows(datasets.load_dataset("lab/pictures", split="train", streaming=True)),
        )
    """)
    expected = [["a", [4, 3], [255, 0, 0]], ["b", [4, 3], [0, 0, 255]]]
    assert told["features"].startswith("Image(")
    assert told["both"] == {"train": expected, "test": expected[1:]}
    assert told["prepared"] == told["streaming"] == expected
    assert sorted(committed(hub, "lab/pictures")) == ["README.md", "data/train-00000-of-00001.parquet"]
    assert hub.repositories["lab/both"].private and not hub.repositories["lab/pictures"].private
