"""What a check finds: its kinds, each with a title and what to do about it."""

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
        "Another number of label maps than published",
        f"Fetch {LABEL_ARCHIVE} again. Label maps that are not from there belong outside the folder: --label-maps "
        "names them where they are wanted.",
    ),
    "unplaced-label-map": (
        "Label maps of no known split",
        "Name their folder or archive for its split (training or validation), or give the folder above it.",
    ),
    "label-map-without-image": (
        "Label maps without an image",
        'Fetch the archives of images that are missing. To load the other pairs: missing_images="skip", which passes '
        "what is missing, and no archive that cannot be read.",
    ),
    "pair-without-ground-truth": (
        "Pairs without ground truth",
        f'Fetch its archive again from {IMAGES_URL}: the configuration "words" stops here, unless told '
        'missing_images="skip", and at an archive that cannot be read in any case. No other configuration needs ground '
        "truth.",
    ),
    "two-sets": (
        "Two sets of label maps",
        "The loader refuses to mix them, or to choose. Commands take --label-maps PATH.",
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
        "Lines of ground truth that are no word",
        "Of each file the first one is named: correct it, and check again.",
    ),
    "size": ("Label maps of another size than their image", "Find out which of the two is not MLT's, and replace it."),
    "text-value": (
        "Label maps whose text is not what is taken for it",
        "Of label maps of 0 and 255 (white) 255 is text: check them with --text-value 255, load them with "
        "text_value=255. Label maps that hold 1 need neither. Where there are both, mlt-s build DATA_DIR OUT --config "
        "labels --label-maps ... --text-value 255 makes label maps of 0 and 1.",
    ),
    "label-values": (
        "Label maps with other values than 0, 1 and 255",
        f"Fetch {LABEL_ARCHIVE} again. If the values stay, leave these out: a loss takes such a pixel for a class.",
    ),
}

NOTES = {
    "md5": (
        "MD5 differs from the value known to this project (second-hand)",
        "No proof of damage, as the archive may have been renewed. --pixels checks the CRC of all it holds.",
    ),
    "elsewhere": (
        "Archives that are not there under their names",
        "All images of their split are there: nothing is missing.",
    ),
    "weak": (
        "Label maps that mlt-s weak made, and not the authors",
        "They load as the others do. Leave them out of figures that shall stand beside published ones.",
    ),
    "image-count": ("Another number of images than MLT has", "Images without a label map are not needed."),
    "unreadable": (
        "Archives, folders and links that cannot be read, passed over",
        "None has the name of an archive of MLT or MLT_S. If one holds what is missing, mend it.",
    ),
    "other-set": ("Other data sets, left out by their names", "They may stay where they are."),
    "stranger": (
        "Images that are not named as MLT's are, left out",
        "They have no label map, and MLT's images are called img_1, img_2, ...",
    ),
    "prediction": (
        "Predictions, left out by their names",
        "mlt-s evaluate measures them. If these are images, give their folder another name.",
    ),
    "derived": ("Edges and detections, left out by their names", "They may stay where they are."),
    "masks": (
        "Label maps by their names, left out beside others",
        "--label-maps chooses them in place of the others.",
    ),
    "not-png": (
        "Label maps that are not PNG files, left out",
        "Other formats change the values of pixels: take them as PNG files.",
    ),
    "label": ("Folders taken for label maps, by their names", "If one holds images, give it another name."),
    "packed": ("Files in a form that is not read", "They may hold what is missing."),
    "elsewhere-images": (
        "Images from outside MLT's archives, beside those from inside",
        "Other data sets have images of the same names: see that these are MLT's, by mlt-s preview.",
    ),
    "unplaced-image": (
        "Images of no known split, left out",
        "If they are wanted: name their folder or archive for its split (training or validation).",
    ),
    "unplaced-ground-truth": (
        "Ground truth of no known split, left out",
        "If it is wanted: name its folder or archive for its split (training or validation).",
    ),
    "no-ground-truth": (
        "A split without ground truth",
        f'Only the configuration "words" needs it: fetch its archive from {IMAGES_URL} and put it into the folder, or '
        'load the other split by missing_images="skip".',
    ),
    "copies": ("Names seen twice with one content", "One of each is loaded. The others may go."),
    "maybe-copies": (
        "Names seen twice with one size",
        "Whether they hold one content is seen when they are read: --pixels does.",
    ),
    "exif": ("EXIF data that cannot be read", "Left out by the loader. No pixel is touched."),
    "no-text": ("Label maps with no text pixel", "Nothing is wrong with that, but a batch of them alone may be."),
    "unknown-script": (
        "Words of a script that MLT does not have",
        "They load with the script -1. If it is a slip of the pen, correct it in the file.",
    ),
    "word-outside-image": (
        "Words with a corner outside their image",
        "They load as they are; word_mask and crop_word cut them off at the edge. Words that lie inside only once the "
        "image is turned are of another frame than the loader takes them for: look at these images by mlt-s preview.",
    ),
    "misshapen-word": (
        "Words that fold over or have no area",
        "They load as they are. word_mask fills both halves of a fold, and of a word without area draws the line.",
    ),
    "outside-words": (
        "Label maps with most of their text outside every word",
        "They may be turned, shifted, or another image's. Look at them: mlt-s preview.",
    ),
}


class Finding(NamedTuple):
    """Something that was found.

    Attributes:
        kind: a key of `PROBLEMS` or `NOTES`.
        text: where it is and what it is.
        archive: the archive, folder or loose file; None where it is about several.
        member: the member of the archive.
        split, image_id: of the pair, where it is about one.
    """

    kind: str
    text: str
    archive: Optional[str] = None
    member: Optional[str] = None
    split: Optional[str] = None
    image_id: Optional[str] = None


def about(kind: str, member: Member, text: object) -> Finding:
    """A finding about a file: an `mlt_s.Member`."""
    return Finding(kind, str(text), member.address, member.name)
