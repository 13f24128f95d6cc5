"""The kinds of findings of a check, each with a title and advice."""

from typing import NamedTuple, Optional

from mlt_s import IMAGES_URL, LABEL_ARCHIVE, Member

_AGAIN = "Each line says what to do. A damaged file of an unpacked archive may only need to be unpacked again."

# kind -> (title, what to do). The order is that of the printed report.
PROBLEMS = {
    "missing-archive": (
        "Missing archives of images",
        f"Fetch them from {IMAGES_URL} (after a registration) and put them into the folder, zipped or unpacked.",
    ),
    "damaged-archive": (
        "Archives that cannot be read",
        "The other archives were checked all the same. The loader stops at each that it needs, with "
        'missing_images="skip" too: to load the rest until it is fetched again, move it out of the folder.',
    ),
    "no-label-maps": (
        "No label maps",
        f"Put {LABEL_ARCHIVE} into the folder, or name it with --label-maps. The loader would download it.",
    ),
    "label-map-count": (
        "Number of label maps differs from the published one",
        f"Fetch {LABEL_ARCHIVE} again. Keep label maps from elsewhere outside the folder; to use them, give them with "
        "--label-maps.",
    ),
    "unplaced-label-map": (
        "Label maps of unknown split",
        "Put the split (training or validation) into the name of their folder or archive, or give the folder above it.",
    ),
    "label-map-without-image": (
        "Label maps without an image",
        'Fetch the missing image archives. To load the other pairs: missing_images="skip", which skips what is '
        "missing, but fails at an archive that cannot be read.",
    ),
    "pair-without-ground-truth": (
        "Pairs without ground truth",
        f'Fetch its archive again from {IMAGES_URL}: the configuration "words" fails here without '
        'missing_images="skip", and at an archive that cannot be read in any case. No other configuration needs ground '
        "truth.",
    ),
    "two-sets": (
        "Two sets of label maps",
        "The loader does not mix them or choose between them. Commands take --label-maps PATH.",
    ),
    "two-contents": (
        "One name, two contents",
        "The loader refuses to choose. Find out which of the two is MLT's. Label maps belong in a folder that says "
        "label, or are named by --label-maps; another data set belongs outside the folder.",
    ),
    "unreadable-file": ("Files that cannot be read", _AGAIN),
    "broken-image": ("Images that cannot be decoded", _AGAIN),
    "broken-label-map": ("Label maps that cannot be decoded", _AGAIN),
    "no-word": (
        "Invalid lines of ground truth",
        "The first such line of each file is listed: correct it, and check again.",
    ),
    "size": (
        "Label maps whose size differs from their image's",
        "Find out which of the two is not MLT's, and replace it.",
    ),
    "text-value": (
        "Label maps with another value of text",
        "In label maps of 0 and 255 (white), 255 is text: check them with --text-value 255, and load them with "
        "text_value=255. Label maps that hold 1 need neither. If you have both, mlt-s build DATA_DIR OUT --config "
        "labels --label-maps ... --text-value 255 makes label maps of 0 and 1.",
    ),
    "label-values": (
        "Label maps with values other than 0, 1 and 255",
        f"Fetch {LABEL_ARCHIVE} again. If the values stay, leave these out: a loss would treat them as classes.",
    ),
}

NOTES = {
    "md5": (
        "MD5 differs from the value known to this project (second-hand)",
        "This does not prove damage: the archive may have been updated. --pixels checks the CRC of all its members.",
    ),
    "elsewhere": (
        "Archives not found under their names",
        "All images of their split are present: nothing is missing.",
    ),
    "weak": (
        "Label maps made by mlt-s weak, not by the authors",
        "They load like the others. Leave them out of scores that are compared with published ones.",
    ),
    "image-count": ("Number of images differs from MLT's", "Images without a label map are not needed."),
    "unreadable": (
        "Archives, folders and links that cannot be read, ignored",
        "None has the name of an archive of MLT or MLT_S. If one holds missing files, repair it.",
    ),
    "other-set": ("Other data sets, left out by their names", "They may stay where they are."),
    "stranger": (
        "Images with names unlike MLT's, left out",
        "They have no label map, and MLT's images are named img_1, img_2, ...",
    ),
    "prediction": (
        "Predictions, left out by their names",
        "mlt-s evaluate evaluates them. If these are images, rename their folder.",
    ),
    "derived": ("Edges and detections, left out by their names", "They may stay where they are."),
    "masks": (
        "Label maps by their names, left out beside others",
        "To use them instead of the others, give them with --label-maps.",
    ),
    "not-png": (
        "Label maps that are not PNG files, left out",
        "Other formats can change pixel values: use PNG files.",
    ),
    "label": ("Folders taken for label maps, by their names", "If one holds images, rename it."),
    "packed": ("Files in a format that is not read", "They may hold missing files."),
    "elsewhere-images": (
        "Images from outside MLT's archives, besides those from MLT's archives",
        "Other data sets have images of the same names: check with mlt-s preview that these are MLT's.",
    ),
    "unplaced-image": (
        "Images of unknown split, left out",
        "To use them, put the split (training or validation) into the name of their folder or archive.",
    ),
    "unplaced-ground-truth": (
        "Ground truth of unknown split, left out",
        "To use it, put the split (training or validation) into the name of its folder or archive.",
    ),
    "no-ground-truth": (
        "A split without ground truth",
        f'Only the configuration "words" needs it: fetch its archive from {IMAGES_URL} and put it into the folder, or '
        'load the other split with missing_images="skip".',
    ),
    "copies": ("Duplicate names with the same content", "One of each is loaded. The others are not needed."),
    "maybe-copies": (
        "Duplicate names with the same size",
        "--pixels reads them, and says whether they have the same content.",
    ),
    "exif": ("EXIF data that cannot be read", "The loader leaves it out. No pixel changes."),
    "no-text": ("Label maps with no text pixel", "This is fine, but a batch of such label maps alone may not be."),
    "unknown-script": (
        "Words of a script that MLT does not have",
        "They load with the script -1. If it is a typo, correct it in the file.",
    ),
    "word-outside-image": (
        "Words with a corner outside their image",
        "They load as they are; word_mask and crop_word cut them off at the edge. If words lie inside only when the "
        "image is turned, they are not in the frame that the loader assumes: look at these images with mlt-s preview.",
    ),
    "misshapen-word": (
        "Words that cross themselves or have no area",
        "They load as they are. word_mask fills both halves of a crossed word, and draws one without area as a line.",
    ),
    "outside-words": (
        "Label maps with most of their text outside all words",
        "They may be turned, shifted, or belong to another image. Look at them with mlt-s preview.",
    ),
}


class Finding(NamedTuple):
    """A finding.

    Attributes:
        kind: a key of `PROBLEMS` or `NOTES`.
        text: what was found, and where.
        archive: the archive, folder or loose file; None for several.
        member: the member of the archive.
        split, image_id: of the pair, if the finding is about one pair.
    """

    kind: str
    text: str
    archive: Optional[str] = None
    member: Optional[str] = None
    split: Optional[str] = None
    image_id: Optional[str] = None


def about(kind: str, member: Member, text: object) -> Finding:
    """A finding about a file, an `mlt_s.Member`."""
    return Finding(kind, str(text), member.address, member.name)
