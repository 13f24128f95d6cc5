"""This project's own share of the time to the first example: without imports, and without what `datasets` does."""

from benchmarks.group import Action, Contender, Group
from benchmarks.paths import Stage


def _find(stage: Stage, scratch: str) -> Action:
    import mlt_s

    def action() -> None:
        config = mlt_s.MltSConfig(name="segmentation", data_dir=stage.many)
        listing = config.listing
        listing.fingerprint()
        shards = {}
        for split in mlt_s.PUBLISHED_COUNTS:
            pairs, _ = mlt_s.join(listing, split, config.roles)
            shards[split] = mlt_s.in_shards(pairs)
        mlt_s.read_example(shards["train"][0][0], {})

    return action


def _open(stage: Stage, scratch: str) -> Action:
    import zipfile

    from benchmarks.stage import all_archives

    def action() -> None:
        for archive in all_archives(stage.many):
            with zipfile.ZipFile(archive) as opened:
                opened.infolist()

    return action


GROUP = Group(
    "Finding",
    "The script's own share of the time to the first example: listing the archives, the key of the cache, joining, "
    "sharding, reading one pair. Beside it, opening the same archives by `zipfile`. 9,000 images as in MLT.",
    {
        "find": Contender("this project: list, join, read a pair", _find, ours=True),
        "open": Contender("zipfile: open the archives", _open),
    },
    against="open",
    uses=("many",),
)
