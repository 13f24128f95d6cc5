"""The command line `mlt-s`: one subcommand a task, each in a module of its own."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mlt_s_tools import terminal

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # what add_subparsers returns

# What is installed with it or by an extra, and decides what is read, decoded, trained or drawn.
_STANDS_ON = (
    *("datasets", "huggingface_hub", "fsspec", "aiohttp", "numpy", "pillow", "pyarrow"),
    *("torch", "transformers", "accelerate", "simplejpeg", "kornia-rs", "jinja2", "matplotlib", "scikit-image"),
)


def main(arguments: list[str] | None = None) -> int:
    """Runs `mlt-s`.

    Args:
        arguments: the words after `mlt-s`, a list of str; by default those of the command line.

    Returns:
        The exit status: 0 all well, 1 problems found by a check, 2 the work could not be done (the reason stands on
        stderr), 130 interrupted.
    """
    # Before NumPy is there: its products of small matrices are slower on several threads of OpenBLAS than on one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with terminal.guarded():
        return _run(arguments)


def _run(arguments: list[str] | None) -> int:
    options, strange = _parser().parse_known_args(arguments)
    if strange:  # said with the usage of the command, and not that of all
        options.parser.error(f"unrecognized arguments: {' '.join(strange)}")
    try:
        status = options.run(options) or 0
        sys.stdout.flush()
        return status
    except (OSError, _loader_error()) as error:
        if isinstance(error, BrokenPipeError) and error.filename == terminal.STDOUT:
            return 0  # the reader of a pipe, such as `head`, has had enough
        print("mlt-s:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except MemoryError:
        print("mlt-s: memory ran out: close other programs, or take fewer --jobs", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mlt-s: interrupted", file=sys.stderr)
        return 130


def _loader_error() -> type[Exception]:
    """`mlt_s.MltSError`, once a command has imported the loader: its import takes seconds."""
    return sys.modules["mlt_s"].MltSError if "mlt_s" in sys.modules else OSError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mlt-s", description="Tools for MLT_S, label maps of scene text.")
    parser.add_argument("--version", action=_Versions, help="print the versions that a bug report needs, and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_preview(commands)
    _add_check(commands)
    _add_build(commands)
    _add_evaluate(commands)
    _add_compare(commands)
    _add_weak(commands)
    return parser


class _Versions(argparse.Action):
    """Prints the version of this project and of what it stands on, one a line."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *arguments: object) -> None:
        import mlt_s  # the one that is used, installed or not

        lines = [f"mlt-s {mlt_s.__version__}", f"Python {platform.python_version()} on {platform.platform()}"]
        for name in _STANDS_ON:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # those of extras are optional
                lines.append(f"{name} {importlib.metadata.version(name)}")
        print("\n".join(lines))
        parser.exit()


def _add(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int | None] | None,
    about: str,
    more: str = "",
    epilog: str | None = None,
) -> argparse.ArgumentParser:
    """The parser of a new command; `run` gets its options, among them the parser itself."""
    command = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.{more}",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter if epilog else argparse.HelpFormatter,
    )
    command.set_defaults(run=run, parser=command)
    return command


def _add_label_maps(command: argparse.ArgumentParser) -> None:
    about = "a label archive, its folder, or a built set, if not in DATA_DIR; once for each of several"
    command.add_argument("--label-maps", metavar="PATH", action="append", help=about)
    command.add_argument(
        "--text-value",
        type=int,
        choices=(1, 255),
        default=1,
        help="what text is in the label maps: 255 in those of 0 and 255 (default: %(default)s, as the authors have it)",
    )


def _add_by(command: argparse.ArgumentParser) -> None:
    about = "figures within the words of each script, height, or both (--by script height), by ground truth in DATA_DIR"
    command.add_argument("--by", metavar="GROUP", nargs="+", action=_Groups, help=about)


class _Groups(argparse.Action):
    """Collects the words of every --by, which may stand apart or with commas between them."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, given: Any, *more: object) -> None:
        groups = [group for word in given for group in word.split(",")]
        if strange := [group for group in groups if group not in ("script", "height")]:
            parser.error(
                f"argument --by: takes script, height or both, not {strange[0]!r}; other arguments stand before it, or "
                "after another option"
            )
        setattr(options, self.dest, [*(getattr(options, self.dest) or ()), *groups])


def _add_demo(commands: Commands) -> None:
    about = "load the bundled sample, say what came out, and draw a picture of it"
    command = _add(commands, "demo", _demo, about)
    command.add_argument("--out", metavar="FILE", default="preview.png", help="the PNG to write (default: %(default)s)")


def _demo(options: argparse.Namespace) -> None:
    # Imported here, because `datasets` takes seconds and `mlt-s --help` shall not wait for it.
    from mlt_s_tools.looking import demo

    demo.run(options.out)


def _add_preview(commands: Commands) -> None:
    about = "draw a contact sheet of your pairs, or write a page to leaf through them"
    command = _add(commands, "preview", _preview, about, " Words are outlined where DATA_DIR holds ground truth.")
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, as for load_dataset")
    which = command.add_mutually_exclusive_group()
    which.add_argument("--ids", metavar="ID", nargs="+", help="these pairs, such as img_1 img_2")
    which.add_argument("--count", metavar="N", type=_positive, help="N pairs by chance (default: 12, for a page 300)")
    command.add_argument(
        "--seed", metavar="S", type=int, default=0, help="another one, other pairs (default: %(default)s)"
    )
    command.add_argument("--split", choices=("train", "validation"), help="only pairs of this split")
    _add_label_maps(command)
    into = command.add_mutually_exclusive_group()
    into.add_argument("--out", metavar="FILE", default="preview.png", help="the PNG to write (default: %(default)s)")
    into.add_argument("--html", metavar="FILE", help="write a page for the browser instead, in one file")
    command.add_argument(
        "--check", metavar="FILE", help="with --html: what mlt-s check --json wrote, to sort by problems"
    )


def _positive(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no number from 1 on")
    return int(word)


def _preview(options: argparse.Namespace) -> None:
    if options.check and not options.html:
        options.parser.error("--check goes with --html")
    from mlt_s_tools.looking import preview

    words = ("data_dir", "ids", "count", "seed", "split", "label_maps", "text_value", "out", "html", "check")
    preview.run(**{word: getattr(options, word) for word in words})


_CHECK_EPILOG = """\
exit status: 0 all well, 1 problems found, 2 could not look, 130 interrupted

A problem keeps pairs from being loaded, or spoils them: an archive of images missing while its split has fewer images
than MLT; an archive or file that cannot be read; no label maps, or another number than published; a label map without
image, without a split, of another size, or with other values than 0, 1 and 255; label maps that hold 255 and no 1
(see --text-value); a name with two contents. Ground truth
is optional, and none at all is no problem. It is one where a split has some of it but not that of every pair, or where
a line of it is no word: the configuration "words" would stop there. What else is odd is a note: an MD5 that differs,
text outside the words of the ground truth, words outside their image.

keys of the JSON file:
  status      as above; with 2, "error" says why nothing could be looked at
  complete    false where the check was stopped, for the reason in "stopped"
  data_dir, label_maps (list), text_value
  archives    list of name, kind, state (archive, folder, file, elsewhere, damaged, missing), path, files,
              size (bytes), md5, md5_known
  splits      by split: images, images_published, label_maps, weak (of these, made by mlt-s weak, as a record beside
              them says), label_maps_published, pairs, without_image (names), ground_truth (files),
              without_ground_truth (names of pairs, where the split has any)
  pixels      null without --pixels: files (to read), looked (read), image_kinds, label_kinds, orientations, turned,
              weak (label maps that mlt-s weak signed), shares (by split, of label_maps, in pixels: background, text,
              uncertain), no_text (by split, names),
              words (see below), with_words (pairs), text_with_words and text_outside (pixels), outside (list of share,
              split, image_id, text, orientation; worst first)
    words     by split, of the ground truth: files, words, unreadable (words), by_script (words by MLT's scripts),
              unknown_scripts (words by other scripts, as the files name them), outside (list of image_id, words with a
              corner outside the stored image, of these inside_if_turned by its orientation, orientation), misshapen
              (list of image_id, words that are folded over, words without_area)
  problems    list of kind, text, archive, member, split, image_id, advice
  notes       the same
"""


def _add_check(commands: Commands) -> None:
    about = "see whether all archives are there and sound, and what to do where they are not"
    command = _add(commands, "check", _check, about, epilog=_CHECK_EPILOG)
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, unpacked or not")
    _add_label_maps(command)
    command.add_argument("--checksums", action="store_true", help="compare the MD5 of the archives with known values")
    command.add_argument("--pixels", action="store_true", help="read every file: CRCs, pictures, sizes, label values")
    command.add_argument("--jobs", metavar="N", type=_positive, help="processes for --pixels (default: all cores)")
    command.add_argument("--json", metavar="FILE", help="write the report for a program, too")


def _check(options: argparse.Namespace) -> int:
    from mlt_s_tools import check

    return check.run(
        options.data_dir,
        options.label_maps,
        options.checksums,
        options.pixels,
        options.jobs,
        options.json,
        options.text_value,
    )


_BUILD_EPILOG = """\
exit status: 0 built, 2 could not be built, 130 interrupted

Stopped, it goes on where it was when it is called again with the same words, and ends in the same bytes. On a finished
OUT it compares and pushes only.
"""


def _add_build(commands: Commands) -> None:
    about = "write the data set as Parquet files that open without this project, for the Hub or a disk"
    command = _add(commands, "build", _build, about, epilog=_BUILD_EPILOG)
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, unpacked or not")
    command.add_argument("out", metavar="OUT", help="the folder to write, a new one")
    command.add_argument(
        "--config",
        dest="configs",
        metavar="CONFIG",
        nargs="+",
        default=["segmentation"],
        help="what to build: segmentation (the default), words, labels, or several of them",
    )
    _add_label_maps(command)
    command.add_argument(
        "--missing-images",
        choices=("error", "skip"),
        default="error",
        help="skip: build what is there, say what is not",
    )
    command.add_argument("--palette", action="store_true", help="show label maps in the published colours, same pixels")
    command.add_argument(
        "--no-verify", dest="verify", action="store_false", help="do not compare what was written with the archives"
    )
    command.add_argument("--jobs", metavar="N", type=_positive, help="processes (default: all cores)")
    command.add_argument("--push-to", metavar="REPO", help="put it on the Hub, as namespace/name, when it is done")
    command.add_argument(
        "--private", action="store_true", help="with --push-to: only you, and whom you let, can see it"
    )


def _build(options: argparse.Namespace) -> int | None:
    if options.private and not options.push_to:
        options.parser.error("--private goes with --push-to")
    from mlt_s_tools.hub import build

    words = (
        "data_dir",
        "out",
        "configs",
        "label_maps",
        "text_value",
        "missing_images",
        "palette",
        "verify",
        "jobs",
        "push_to",
        "private",
    )
    try:
        build(**{word: getattr(options, word) for word in words})
    except KeyboardInterrupt:
        print("mlt-s: interrupted; run the same command again to continue", file=sys.stderr)
        return 130
    return None


_EVALUATE_EPILOG = """\
exit status: 0 the figures may stand beside published ones: they are over the whole split, by the authors' label maps;
1 they may not, 2 could not evaluate, 130 interrupted

The label maps of --label-maps are taken for the authors' where their archive is named MLT_S_labels.zip, or their
folders as in it. Others, such as corrected ones, end in 1, and so do any that mlt-s weak signed, or that need
--text-value 255. The report names them.

Predictions are PNG files named like the images (img_1.png for img_1.jpg) and of their size: text is 1, or 255 in a file
without 1, and background 0, in grey, one bit, a palette, or RGB of one grey level. One that is missing, of another size
or of other values is named, and nothing is counted in its place. Pixels whose label is 255 count nowhere.

Intervals are 95 % percentile bootstrap intervals: 2,000 resamples of the images, seed 0. They are given where six
images or more have something to count. With --against, exit status 0 holds for both folders. Differences are over the
images that both have, and one is "better" only where the interval of the difference, on the same resamples, excludes 0.

By script or height, pixels count that lie in words of it: small words have a shorter side below 16 pixels, medium ones
below 48. What lies in no word counts for none of them. --plot needs matplotlib: pip install "mlt-s[plot]".

keys of the JSON file:
  split, whole_split (bool), images_published
  as_published            whether the figures may stand beside published ones
  label_maps  list of those given; not_authors: of these (or DATA_DIR), those taken for others than the authors'
  weak        list of image_id that count, whose label map mlt-s weak signed
  figures     fgiou and f_score as published, with fgiou_lower, fgiou_upper and so on, and others:
              help(mlt_s_tools.metrics.TextMetrics.compute)
  missing     list of image_id
  refused     image_id -> why
  extra       list of predictions for no label map of the split
  by_script, by_height   with --by: name -> fgiou, interval (null of too few images), words, images, pixels
  in_no_word  with --by: tp, fp, fn, tn (pixels)
  without_words          with --by: list of image_id
  against     with --against: of the others whole_split, as_published, figures, weak, missing, refused, extra; and
              images (both, better, worse, equal: how many, by IoU), differences (fgiou and f_score: value, interval,
              verdict), by_script, by_height (name -> the same, of fgiou)
columns of the CSV file:
  image_id, state (counted, missing, refused), tp, fp, fn, tn (pixels), iou, precision, recall; against_iou
  An image_id that a spreadsheet would compute, as it begins with =, +, - or @, has a ' before it.
"""


def _add_evaluate(commands: Commands) -> None:
    about = "compute the published metrics of predicted masks"
    command = _add(commands, "evaluate", _evaluate, about, epilog=_EVALUATE_EPILOG)
    command.add_argument(
        "predictions", metavar="PREDICTIONS", help="a folder or zip of PNG files named like the images"
    )
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, as for load_dataset")
    command.add_argument(
        "--split", choices=("train", "validation"), default="validation", help="of which split (default: %(default)s)"
    )
    _add_label_maps(command)
    command.add_argument("--per-image", action="store_true", help="print a line an image, too")
    command.add_argument("--csv", metavar="FILE", help="write a table of all images")
    command.add_argument("--json", metavar="FILE", help="write the report for a program, too")
    command.add_argument("--worst", metavar="N", type=_positive, help="draw the N worst images and their errors")
    command.add_argument("--out", metavar="FILE", help="with --worst: the PNG to write (default: worst.png)")
    command.add_argument("--against", metavar="OTHERS", help="other predictions of the same images, to compare with")
    _add_by(command)
    command.add_argument(
        "--plot", metavar="FILE", help="draw figures, intervals and images: a .png, or an .html page with the worst"
    )


def _evaluate(options: argparse.Namespace) -> int:
    if options.out and not options.worst:
        options.parser.error("--out goes with --worst")
    from mlt_s_tools.evaluation import evaluate

    words = (
        "predictions",
        "data_dir",
        "split",
        "label_maps",
        "text_value",
        "per_image",
        "csv",
        "json",
        "worst",
        "against",
        "by",
        "plot",
    )
    return evaluate.run(**{word: getattr(options, word) for word in words}, out=options.out or "worst.png")


_COMPARE_EPILOG = """\
exit status: 0 both have label maps of the same images and sizes, 1 they have not, 2 could not compare, 130 interrupted

A label map of another size than the other, or than its image in DATA_DIR, is named and counts nowhere.

fgIoU is of the pixels that are 0 or 1 in both, and the same either way round. Its interval is that of mlt-s evaluate.
With DATA_DIR, label maps lie in the frames of MLT's images, which the sheet shows; those without image are left out.
Small words have a shorter side below 16 pixels, medium ones below 48.

keys of the JSON file:
  maps_a, maps_b
  splits      train, validation -> images (in both), fgiou, interval (null of too few images), counting (how many
              images count: they have text in A or B where both are sure), alike (the share of the pixels that are sure
              in both that are the same), pixels (by class in A, then in B: background, text, uncertain), only_in_a,
              only_in_b (lists of image_id), refused (image_id -> why); ratios of none are null
              with --by: by_script, by_height (name -> fgiou, interval, counting, alike, pixels, words), without_words
              (list of image_id)
"""


def _add_compare(commands: Commands) -> None:
    about = "compare two sets of label maps, such as the authors' and corrected ones"
    command = _add(commands, "compare", _compare, about, epilog=_COMPARE_EPILOG)
    for name in "MAPS_A", "MAPS_B":
        command.add_argument(name.lower(), metavar=name, help="a label archive, its folder, an address, or a built set")
    command.add_argument("data_dir", metavar="DATA_DIR", nargs="?", help="the folder of MLT's archives")
    command.add_argument("--split", choices=("train", "validation"), help="only this split (default: both)")
    command.add_argument(
        "--text-values",
        metavar=("A", "B"),
        nargs=2,
        type=int,
        choices=(1, 255),
        default=(1, 1),
        help="what text is in each: 255 in label maps of 0 and 255 (default: 1 1)",
    )
    _add_by(command)
    command.add_argument("--json", metavar="FILE", help="write the report for a program, too")
    command.add_argument("--worst", metavar="N", type=_positive, help="draw the N images that differ most")
    command.add_argument("--out", metavar="FILE", help="with --worst: the PNG to write (default: differ.png)")


def _compare(options: argparse.Namespace) -> int:
    if options.out and not options.worst:
        options.parser.error("--out goes with --worst")
    if options.by and options.data_dir is None:
        options.parser.error("--by needs DATA_DIR, where the words are")
    from mlt_s_tools.evaluation import compare

    given = {word: getattr(options, word) for word in ("data_dir", "split", "text_values", "by", "worst", "json")}
    return compare.run(options.maps_a, options.maps_b, **given, out=options.out or "differ.png")


def _add_weak(commands: Commands) -> None:
    about = "make label maps from the boxes of words, repair those of MLT_S, and say how good they are"
    command = _add(commands, "weak", None, about)
    weak = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_weak_label(weak)
    _add_weak_repair(weak)
    _add_weak_evaluate(weak)
    _add_weak_train(weak)


def _add_model(command: argparse.ArgumentParser, call: str) -> None:
    """The option of the model; where it is given in its former place, an error says the new call."""
    about = "the folder that mlt-s weak train wrote, or baseline, a local threshold (default: the network that ships)"
    command.add_argument("--model", metavar="FOLDER", help=about)
    command.add_argument("former", nargs="?", help=argparse.SUPPRESS)
    command.set_defaults(call=call)


def _refuse_former(options: argparse.Namespace, values: dict[str, Any]) -> None:
    if options.former is not None:
        call = options.call.format(**values)
        options.parser.error(f"the model is an option now, and may be left out: mlt-s weak {call}")


def _resumable(run: Callable[..., int | None], words: dict[str, Any]) -> int | None:
    """Runs what goes on where it stopped, and says so when it is interrupted."""
    try:
        return run(**words)
    except KeyboardInterrupt:
        print("mlt-s: interrupted; run the same command again to continue", file=sys.stderr)
        return 130


_RESUMES = """\
Stopped, it goes on where it was when it is called again with the same arguments, and ends in the same bytes"""

_WEAK_LABEL_EPILOG = f"""\
exit status: 0 written, 2 could not be written, 130 interrupted

{_RESUMES} (on
one engine: PyTorch is used where it is installed, NumPy elsewhere). OUT.zip loads beside the authors' archive, by
--label-maps here and label_maps=[...] in load_dataset. Every label map in it says who made it:
example["label"].info["Software"] starts with "mlt-s weak".
"""


def _add_weak_label(commands: Commands) -> None:
    about = "make label maps for images that have words, in an archive like the authors'"
    command = _add(commands, "label", _weak_label, about, epilog=_WEAK_LABEL_EPILOG)
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the images and their ground truth")
    command.add_argument("out", metavar="OUT.zip", help="the archive to write")
    _add_model(command, "label {data_dir} {former} --model {out}")
    command.add_argument(
        "--unlabelled-only", action="store_true", help="only images that have no label map, of --label-maps or DATA_DIR"
    )
    _add_label_maps(command)
    command.add_argument("--upper", metavar="P", type=_share, help="a probability from here on is text (default: 0.7)")
    command.add_argument(
        "--lower", metavar="P", type=_share, help="one below is background, between both uncertain (default: 0.3)"
    )


def _share(word: str) -> float:
    try:
        if 0 <= float(word) <= 1:
            return float(word)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{word!r} is not a number from 0 to 1")


def _weak_label(options: argparse.Namespace) -> int | None:
    _refuse_former(options, vars(options))
    for name, given in ("--label-maps", options.label_maps), ("--text-value", options.text_value != 1):
        if given and not options.unlabelled_only:
            options.parser.error(f"{name} goes with --unlabelled-only")
    from mlt_s_tools.weak import label
    from mlt_s_tools.weak.rule import Thresholds

    given = {name: getattr(options, name) for name in ("upper", "lower") if getattr(options, name) is not None}
    try:
        thresholds = Thresholds(**given)
    except ValueError as error:
        options.parser.error(str(error))
    words = ("data_dir", "out", "model", "unlabelled_only", "label_maps", "text_value")
    return _resumable(label.run, {**{word: getattr(options, word) for word in words}, "thresholds": thresholds})


_WEAK_REPAIR_EPILOG = f"""\
exit status: 0 written, 2 could not be written, 130 interrupted

A pixel of 255 becomes text or background where it lies in a readable word and the model is sure of it. All else stays,
and so do label maps without ground truth: OUT.zip holds all of them, to be loaded in place of those that it was made
of. Each is signed: example["label"].info["Software"] starts with "mlt-s weak repair".

{_RESUMES}.
"""


def _add_weak_repair(commands: Commands) -> None:
    about = "resolve what is uncertain in label maps, where the network is sure"
    command = _add(commands, "repair", _weak_repair, about, epilog=_WEAK_REPAIR_EPILOG)
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, ground truth among them")
    command.add_argument("out", metavar="OUT.zip", help="the archive to write")
    _add_model(command, "repair {data_dir} {former} --model {out}")
    _add_label_maps(command)
    command.add_argument(
        "--strokes", action="store_true", help="close narrow gaps in strokes as well: background becomes text there"
    )
    about = "text from the probability P on, background below 1 - P (0.5 to 1; default: 0.8)"
    command.add_argument("--sure", metavar="P", type=_share, help=about)


def _weak_repair(options: argparse.Namespace) -> int | None:
    _refuse_former(options, vars(options))
    if options.sure is not None and options.sure < 0.5:
        options.parser.error(f"--sure is from 0.5 to 1, not {options.sure}")
    from mlt_s_tools.weak import repair

    words = ("data_dir", "out", "model", "strokes", "label_maps", "text_value")
    sure = repair.SURE if options.sure is None else options.sure
    return _resumable(repair.run, {**{word: getattr(options, word) for word in words}, "sure": sure})


_WEAK_EVALUATE_EPILOG = """\
exit status: 0 evaluated, 2 could not evaluate, 130 interrupted

A pixel is text from a threshold on. With 39 images or more it is chosen for each model, by fgIoU on every second image,
and the figures are those of the others; with fewer it is 0.5, and the figures are those of all. Intervals are 95 %
percentile bootstrap intervals: 2,000 resamples of the images, seed 0. "better" is said where that of the paired
difference excludes 0.

keys of the JSON file:
  split, images (choice, report: how many)
  left_out    lists of image_id: trained_on, without_words, not_authors
  uncertain_share_of_authors   of pixels
  models      list of name, threshold, figures (help(mlt_s_tools.metrics.TextMetrics.compute)), fgiou, interval (null of
              fewer than 6 images), counting (how many images count: they have text, labelled or found); the same of
              without_outlines (pixels more than one pixel from the border of the text), within_words, by_script and
              by_height (small below 16 pixels, medium below 48, large; with words);
              text_unsure (the share of the text in words whose probability is from 0.3 to 0.7), calibration_error
              (expected; of pixels of words), calibration (list of pixels, mean probability, share that is text),
              by_threshold (list of threshold, precision, recall)
  differences list of of, from, value (of fgIoU), interval, verdict
"""


def _add_weak_evaluate(commands: Commands) -> None:
    about = "compare what a model says with label maps, on images that it was not trained on"
    command = _add(commands, "evaluate", _weak_evaluate, about, epilog=_WEAK_EVALUATE_EPILOG)
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, ground truth among them")
    _add_model(command, "evaluate {data_dir} --model {former}")
    command.add_argument(
        "--split", choices=("train", "validation"), default="validation", help="of which split (default: %(default)s)"
    )
    _add_label_maps(command)
    command.add_argument("--out", metavar="FILE", help="draw precision, recall and calibration, as a PNG")
    command.add_argument("--json", metavar="FILE", help="write the figures for a program, too")


def _weak_evaluate(options: argparse.Namespace) -> None:
    _refuse_former(options, vars(options))
    from mlt_s_tools.weak import evaluate

    words = ("data_dir", "model", "split", "label_maps", "text_value", "out", "json")
    evaluate.run(**{word: getattr(options, word) for word in words})


_WEAK_TRAIN_EPILOG = """\
exit status: 0 trained, 1 not saved, as its fgIoU has fallen, 2 could not be trained, 130 interrupted

It learns from words of the training split. Every second image of the validation split is held out: a network whose
fgIoU on these is lower than that of the network it began with is not saved. evaluate uses only the other images.
Interrupted, it continues from its last checkpoint when it is called again with the same arguments. It uses a GPU if
there is one.
"""


def _add_weak_train(commands: Commands) -> None:
    about = "train the network further, on your label maps"
    command = _add(commands, "train", _weak_train, about, epilog=_WEAK_TRAIN_EPILOG)
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, ground truth among them")
    command.add_argument("out", metavar="OUT", help="the folder to write, a new one")
    _add_model(command, "train {data_dir} {former} --model {out}")
    _add_label_maps(command)
    command.add_argument("--steps", metavar="N", type=_positive, help="how many (default: by the number of images)")
    command.add_argument("--seed", metavar="S", type=int, default=0, help="random seed (default: %(default)s)")
    command.add_argument("--even-if-worse", action="store_true", help="save the network even if its fgIoU has fallen")


def _weak_train(options: argparse.Namespace) -> int | None:
    _refuse_former(options, vars(options))
    from mlt_s_tools.extras import needed

    words = ("data_dir", "out", "model", "label_maps", "text_value", "steps", "seed", "even_if_worse")
    with needed("Training a network", "weak"):
        from mlt_s_tools.weak import train

        return _resumable(train.run, {word: getattr(options, word) for word in words})


if __name__ == "__main__":
    sys.exit(main())
