"""Uploads a built folder to a data set repository on the Hugging Face Hub, with the Hub's own client."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.utils import HFValidationError, RepositoryNotFoundError, validate_repo_id

from mlt_s import MltSError, counted
from mlt_s_tools.hub.layout import FOLDERS

_PARQUET = [f"{folder}/*.parquet" for folder in sorted(set(FOLDERS.values()))]
# Only the files of a build: no incomplete file, and nothing that the user has added.
_UPLOADED = ["README.md", "croissant.json", "id2label.json", "manifest.json", "preview.png", *_PARQUET]
_LOG_IN = "Log in with `hf auth login` (`huggingface-cli login` below huggingface_hub 0.34), or set HF_TOKEN"
_TOKENS = "https://huggingface.co/settings/tokens"


def prepare(repo: str, private: bool) -> None:
    """Checks that the repository exists and accepts an upload, because a build takes hours and should not end in a
    refusal.

    Creates the repository if it does not exist: no other call proves the right to create it. The description of a token
    names its role, but not what an organisation lets its members do, nor what a fine-grained token allows.

    Args:
        repo: "namespace/name".
        private: whether only the owner may see it.

    Raises:
        mlt_s.MltSError: there is no token, or it has no right to write; the Hub cannot be reached; or the repository
            has an invalid name, is public although a private one is wanted, or holds conflicting files.
    """
    _check_name(repo)
    api = huggingface_hub.HfApi()
    user = _check_token(api)
    with _asking(f"look at {repo}"):
        try:
            found = api.dataset_info(repo)
        except RepositoryNotFoundError:
            found = None
    if found:
        if found.siblings is None:
            raise MltSError(
                f"The Hub at {api.endpoint} does not say which files {repo} holds, so nothing is uploaded to it. "
                "Is it a mirror? The environment variable HF_ENDPOINT sets its address."
            )
        _check_content(repo, [file.rfilename for file in found.siblings])
        if private and not found.private:
            raise MltSError(
                f"{repo} is public, and --private was asked for: make it private at {_url(api, repo)}/settings, or "
                "choose another name."
            )
        _check_writable(api, repo, user)
    else:
        options: dict[str, Any] = {"private": True} if private else {}  # otherwise, the default of the namespace
        with _asking(f"create {repo}", {403: _no_right(user, repo)}):
            api.create_repo(repo, repo_type="dataset", **options)


def upload(out: Path, repo: str) -> str:
    """Uploads a built folder in one commit, with the client's progress bar. Files that already arrived are not sent
    again.

    Parquet files of an earlier build that this build lacks are deleted in the same commit, because they would be loaded
    too. Their number is printed.

    Args:
        out: the folder, a `pathlib.Path`.
        repo: "namespace/name", prepared by `prepare`.

    Returns:
        The address of the repository.

    Raises:
        mlt_s.MltSError: the upload was refused or interrupted.
    """
    api = huggingface_hub.HfApi()
    cut_off = "The build is complete, so run the same command again: it continues with the upload."
    with _asking(f"take the upload of {out} to {repo}", advice=cut_off):
        there = {name for name in api.list_repo_files(repo, repo_type="dataset") if _is_ours(name)}
        api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=out,
            allow_patterns=_UPLOADED,
            delete_patterns=_PARQUET,
            commit_message="Upload MLT_S, as built by mlt-s",
        )
    stale = [name for name in there if not (out / name).exists()]
    if stale:
        print(f"Deleted from {repo}: {counted(stale, 'Parquet file')} of an earlier build.")
    return _url(api, repo)


def _url(api: huggingface_hub.HfApi, repo: str) -> str:
    return f"{api.endpoint}/datasets/{repo}"


def _is_ours(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in _PARQUET)  # as the client does it


def _check_name(repo: str) -> None:
    try:
        validate_repo_id(repo)
        is_valid = "/" in repo  # the client accepts a name without namespace, but the calls in the card would fail
    except HFValidationError:
        is_valid = False
    if not is_valid:
        raise MltSError(
            f"{repo!r} is not a valid repository name: give your user name or organisation, a slash, and a name of "
            "letters, digits, '-', '_' and '.', such as ann/mlt-s."
        )


def _check_token(api: huggingface_hub.HfApi) -> str:
    """The user's name."""
    if huggingface_hub.get_token() is None:
        raise MltSError(f"There is no token for the Hub. {_LOG_IN} to a token with the role write, from {_TOKENS}.")
    invalid = f"The Hub does not know your token. {_LOG_IN}, which takes precedence, to one from {_TOKENS}."
    with _asking("say whose your token is", {401: invalid}):
        user = api.whoami()
    if user.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise MltSError(
            f"Your token, of {user['name']}, may only read. Make one with the role write at {_TOKENS}. Then: {_LOG_IN}."
        )
    return user["name"]


def _check_content(repo: str, names: list[str]) -> None:
    script = repo.split("/")[1] + ".py"
    if script in names:
        raise MltSError(
            f"{repo} holds {script}, a loading script, and `datasets` from 4 on opens no repository with a script of "
            "the same name. Delete the script, or choose another name."
        )
    parquet = [name for name in names if _is_ours(name)]
    if parquet and "manifest.json" not in names:
        raise MltSError(
            f"{repo} holds Parquet files that mlt-s did not build ({parquet[0]} and others). They would be loaded "
            "together with this build. Delete them, or choose another name."
        )


def _check_writable(api: huggingface_hub.HfApi, repo: str, user: str) -> None:
    """Asks how a file would be uploaded, which only users with the right to write may ask. Uploads nothing."""
    file = huggingface_hub.CommitOperationAdd("README.md", b"?")
    with _asking(f"say whether {user} may write to {repo}", {401: _no_right(user, repo), 403: _no_right(user, repo)}):
        api.preupload_lfs_files(repo, [file], repo_type="dataset")


def _no_right(user: str, repo: str) -> str:
    return (
        f"Your token, of {user}, has no right to write to {repo}: choose a namespace of your own, or make a token with "
        f"that right at {_TOKENS}."
    )


@contextlib.contextmanager
def _asking(
    what: str, meanings: Mapping[int, str] | None = None, advice: str = "Check the connection, and try again."
) -> Iterator[None]:
    """Turns what the client raises into `mlt_s.MltSError`.

    Args:
        what: what the Hub was asked to do.
        meanings: HTTP status -> message.
        advice: what to do about any other error.
    """
    try:
        yield
    except (
        Exception
    ) as error:  # from requests below huggingface_hub 1.0, from other clients since, and from huggingface_hub itself
        status: Any = getattr(getattr(error, "response", None), "status_code", None)
        if meanings and status in meanings:
            raise MltSError(meanings[status]) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MltSError(
            f"The Hub at {huggingface_hub.constants.ENDPOINT} did not {what}: {reason.rstrip('.')}. {advice}"
        ) from error
