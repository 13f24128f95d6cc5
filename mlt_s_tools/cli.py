"""The command line `mlt-s`: one subcommand per task, each in its own module."""

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

# What decides how data is read, decoded, trained on and drawn.
_DEPENDENCIES = (
    *("datasets", "huggingface_hub", "fsspec", "aiohttp", "numpy", "pillow", "pyarrow"),
    *("torch", "transformers", "accelerate", "simplejpeg", "kornia-rs", "jinja2", "matplotlib", "scikit-image"),
)


def main(arguments: list[str] | None = None) -> int:
    """Runs `mlt-s`.

    Args:
        arguments: the arguments after `mlt-s`, a list of str; by default those of the command line.

    Returns:
        The exit status: 0 success, 1 a check found problems, 2 the command failed (the reason is on stderr), 130
        interrupted.
    """
    # Set before NumPy is imported: small matrix products are slower on several threads of OpenBLAS than on one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with terminal.guarded():
        return _run(arguments)


def _run(arguments: list[str] | None) -> int:
    options, strange = _parser().parse_known_args(arguments)
    if strange:  # shows the usage of the command, not of mlt-s
        options.parser.error(f"unrecognized arguments: {' '.join(strange)}")
    try:
        status = options.run(options) or 0
        sys.stdout.flush()
        return status
    except (OSError, _loader_error()) as error:
        if isinstance(error, BrokenPipeError) and error.filename == terminal.STDOUT:
            return 0  # the reader of a pipe, such as `head`, closed it
        print("mlt-s:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except MemoryError:
        print("mlt-s: memory ran out: close other programs, or use fewer --jobs", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mlt-s: interrupted", file=sys.stderr)
        return 130


def _loader_error() -> type[Exception]:
    """`mlt_s.MltSError`, if a command has imported the loader. Importing it here would take seconds."""
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
    """Prints the versions of this project and of the packages that it depends on, one per line."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *arguments: object) -> None:
        import mlt_s  # the one that is used, installed or not

        lines = [f"mlt-s {mlt_s.__version__}", f"Python {platform.python_version()} on {platform.platform()}"]
        for name in _DEPENDENCIES:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # extras are optional
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
    """Adds a command and returns its parser. `run` gets the parsed options, which include the parser."""
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
    about = "a label archive, its folder, or a built set, if not in DATA_DIR; repeat it for several"
    command.add_argument("--label-maps", metavar="PATH", action="append", help=about)
    command.add_argument(
        "--text-value",
        type=int,
        choices=(1, 255),
        default=1,
        help="value of text in the label maps: 255 if they hold 0 and 255 (default: %(default)s, as in the authors')",
    )


def _add_by(command: argparse.ArgumentParser) -> None:
    about = "scores within words by script, height, or both (--by script height); needs ground truth in DATA_DIR"
    command.add_argument("--by", metavar="GROUP", nargs="+", action=_Groups, help=about)


class _Groups(argparse.Action):
    """Collects the values of all --by options, separated by spaces or commas."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, given: Any, *more: object) -> None:
        groups = [group for word in given for group in word.split(",")]
        if strange := [group for group in groups if group not in ("script", "height")]:
            parser.error(
                f"argument --by: takes script, height or both, not {strange[0]!r}; put other arguments before --by, or "
                "after another option"
            )
        setattr(options, self.dest, [*(getattr(options, self.dest) or ()), *groups])


def _add_demo(commands: Commands) -> None:
    about = "load the bundled sample, print what it holds, and draw a picture of it"
    command = _add(commands, "demo", _demo, about)
    command.add_argument(
        "--out", metavar="FILE", default="preview.png", help="PNG file to write (default: %(default)s)"
    )


def _demo(options: argparse.Namespace) -> None:
    # Imported here, because `datasets` takes seconds to import and `mlt-s --help` should be quick.
    from mlt_s_tools.looking import demo

    demo.run(options.out)


def _add_preview(commands: Commands) -> None:
    about = "draw a contact sheet of your pairs, or write an HTML page to browse them"
    command = _add(commands, "preview", _preview, about, " Words are outlined if DATA_DIR has ground truth.")
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, as for load_dataset")
    which = command.add_mutually_exclusive_group()
    which.add_argument("--ids", metavar="ID", nargs="+", help="ids of the pairs, such as img_1 img_2")
    which.add_argument("--count", metavar="N", type=_positive, help="N random pairs (default: 12, or 300 for a page)")
    command.add_argument(
        "--seed", metavar="S", type=int, default=0, help="random seed for choosing pairs (default: %(default)s)"
    )
    command.add_argument("--split", choices=("train", "validation"), help="only pairs of this split")
    _add_label_maps(command)
    into = command.add_mutually_exclusive_group()
    into.add_argument("--out", metavar="FILE", default="preview.png", help="PNG file to write (default: %(default)s)")
    into.add_argument("--html", metavar="FILE", help="write one HTML file for the browser instead")
    command.add_argument(
        "--check", metavar="FILE", help="with --html: report of mlt-s check --json, to sort pairs by problems"
    )


def _positive(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a positive integer")
    return int(word)


def _preview(options: argparse.Namespace) -> None:
    if options.check and not options.html:
        options.parser.error("--check needs --html")
    from mlt_s_tools.looking import preview

    names = ("data_dir", "ids", "count", "seed", "split", "label_maps", "text_value", "out", "html", "check")
    preview.run(**{name: getattr(options, name) for name in names})


_CHECK_EPILOG = """\
exit status: 0 no problems, 1 problems found, 2 the check could not run, 130 interrupted

A problem keeps pairs from loading, or makes them wrong: a missing image archive, if its split has fewer images than
MLT; an archive or file that cannot be read; no label maps, or another number than published; a label map without an
image, without a split, of another size than its image, or with values other than 0, 1 and 255; label maps that hold
255 but not 1 (see --text-value); two files of the same name and different content. Ground truth is optional: having
none is not a problem. A problem is a split that has ground truth for only some pairs, or an invalid line in it, because
the configuration "words" would fail. Other oddities are notes: a different MD5, text outside the words of the ground
truth, words outside their image.

keys of the JSON file:
  status      as above; if 2, "error" says why the check could not run
  complete    false if the check was stopped, for the reason in "stopped"
  data_dir, label_maps (list), text_value
  archives    list of name, kind, state (archive, folder, file, elsewhere, damaged, missing), path, files,
              size (bytes), md5, md5_known
  splits      by split: images, images_published, label_maps, weak (label maps made by mlt-s weak, according to the
              record beside them), label_maps_published, pairs, without_image (names), ground_truth (files),
              without_ground_truth (names of pairs, if the split has any ground truth)
  pixels      null without --pixels: files (to read), looked (read), image_kinds, label_kinds, orientations, turned,
              weak (label maps signed by mlt-s weak), shares (by split: label_maps, and pixels of background, text,
              uncertain), no_text (by split, names),
              words (see below), with_words (pairs), text_with_words and text_outside (pixels), outside (list of share,
              split, image_id, text, orientation; worst first)
    words     ground truth by split: files, words, unreadable (words), by_script (words by MLT's scripts),
              unknown_scripts (words by other scripts, as the files name them), outside (list of image_id, words with a
              corner outside the stored image, inside_if_turned (how many of them the orientation tag would turn
              inside), orientation), misshapen (list of image_id, words folded so that sides cross, words without_area)
  problems    list of kind, text, archive, member, split, image_id, advice
  notes       the same
"""


def _add_check(commands: Commands) -> None:
    about = "check that all archives are present and undamaged, and say what to do about problems"
    command = _add(commands, "check", _check, about, epilog=_CHECK_EPILOG)
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, unpacked or not")
    _add_label_maps(command)
    command.add_argument("--checksums", action="store_true", help="compare the MD5 of the archives with known values")
    command.add_argument("--pixels", action="store_true", help="read every file: CRCs, pictures, sizes, label values")
    command.add_argument("--jobs", metavar="N", type=_positive, help="processes for --pixels (default: all cores)")
    command.add_argument("--json", metavar="FILE", help="also write the report as JSON")


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

After an interruption, run the same command again: it resumes, and writes the same bytes as an uninterrupted run. If
OUT is finished, it only verifies and pushes.
"""


def _add_build(commands: Commands) -> None:
    about = "write the data set as Parquet files that load without this project, for the Hub or a disk"
    command = _add(commands, "build", _build, about, epilog=_BUILD_EPILOG)
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, unpacked or not")
    command.add_argument("out", metavar="OUT", help="the new folder to write")
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
        help="skip: leave out incomplete pairs, and say how many (default: %(default)s)",
    )
    command.add_argument(
        "--palette", action="store_true", help="give label maps a palette of the published colours; pixel values stay"
    )
    command.add_argument(
        "--no-verify", dest="verify", action="store_false", help="do not compare what was written with the archives"
    )
    command.add_argument("--jobs", metavar="N", type=_positive, help="processes (default: all cores)")
    command.add_argument("--push-to", metavar="REPO", help="upload the result to the Hub, as namespace/name")
    command.add_argument("--private", action="store_true", help="with --push-to: make the repository private")


def _build(options: argparse.Namespace) -> int | None:
    if options.private and not options.push_to:
        options.parser.error("--private needs --push-to")
    from mlt_s_tools.hub import build

    names = (
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
        build(**{name: getattr(options, name) for name in names})
    except KeyboardInterrupt:
        print("mlt-s: interrupted; run the same command again to continue", file=sys.stderr)
        return 130
    return None


_EVALUATE_EPILOG = """\
exit status: 0 the scores are comparable with published ones: they cover the whole split, with the authors' label maps;
1 they are not comparable, 2 could not evaluate, 130 interrupted

The label maps of --label-maps count as the authors' if their archive is named MLT_S_labels.zip, or their folders are
named as in it. Other label maps, such as corrected ones, give exit status 1. So do label maps that mlt-s weak signed,
or that need --text-value 255. The report names them.

Predictions are PNG files named like the images (img_1.png for img_1.jpg) and of the same size. Text is 1, or 255 in a
file without 1, and background is 0; files may be grey, one bit, palette, or RGB with equal channels. A prediction that
is missing, has another size or holds other values is reported, and its image is not counted. Pixels whose label is 255
are ignored.

Intervals are 95 % percentile bootstrap intervals: 2,000 resamples of the images, seed 0. They need six images or more
with pixels to count. With --against, exit status 0 means that both folders are comparable. Differences are over the
images that both have. "better" means that the interval of the difference, on the same resamples, excludes 0.

With --by, only pixels inside words of the script or height count: small words have a shorter side below 16 pixels,
medium ones below 48. Pixels outside all words count in none. --plot needs matplotlib: pip install "mlt-s[plot]".

keys of the JSON file:
  split, whole_split (bool), images_published
  as_published            whether the scores are comparable with published ones
  label_maps  list of those given; not_authors: those of them (or DATA_DIR) that do not count as the authors'
  weak        list of counted image_id whose label map mlt-s weak signed
  figures     fgiou and f_score as published, with fgiou_lower, fgiou_upper and so on, and others:
              help(mlt_s_tools.metrics.TextMetrics.compute)
  missing     list of image_id
  refused     image_id -> reason
  extra       list of predictions without a label map in the split
  by_script, by_height   with --by: name -> fgiou, interval (null if too few images), words, images, pixels
  in_no_word  with --by: tp, fp, fn, tn (pixels)
  without_words          with --by: list of image_id
  against     with --against: whole_split, as_published, figures, weak, missing, refused, extra of the other folder;
              images (numbers of images: both, and better, worse, equal by IoU), differences (fgiou and f_score:
              value, interval, verdict), by_script, by_height (name -> the same for fgiou)
columns of the CSV file:
  image_id, state (counted, missing, refused), tp, fp, fn, tn (pixels), iou, precision, recall; against_iou
  An image_id that a spreadsheet would take for a formula, because it begins with =, +, - or @, is prefixed with '.
"""


def _add_evaluate(commands: Commands) -> None:
    about = "compute the published metrics for predicted masks"
    command = _add(commands, "evaluate", _evaluate, about, epilog=_EVALUATE_EPILOG)
    command.add_argument(
        "predictions", metavar="PREDICTIONS", help="a folder or zip of PNG files named like the images"
    )
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, as for load_dataset")
    command.add_argument(
        "--split",
        choices=("train", "validation"),
        default="validation",
        help="split to evaluate (default: %(default)s)",
    )
    _add_label_maps(command)
    command.add_argument("--per-image", action="store_true", help="also print one line per image")
    command.add_argument("--csv", metavar="FILE", help="write a table of all images")
    command.add_argument("--json", metavar="FILE", help="also write the report as JSON")
    command.add_argument("--worst", metavar="N", type=_positive, help="draw the N worst images and their errors")
    command.add_argument("--out", metavar="FILE", help="with --worst: PNG file to write (default: worst.png)")
    command.add_argument("--against", metavar="OTHERS", help="other predictions of the same images, to compare with")
    _add_by(command)
    command.add_argument(
        "--plot", metavar="FILE", help="plot scores, intervals and images: a .png, or an .html page with the worst"
    )


def _evaluate(options: argparse.Namespace) -> int:
    if options.out and not options.worst:
        options.parser.error("--out needs --worst")
    from mlt_s_tools.evaluation import evaluate

    names = (
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
    return evaluate.run(**{name: getattr(options, name) for name in names}, out=options.out or "worst.png")


_COMPARE_EPILOG = """\
exit status: 0 both have label maps of the same images and sizes, 1 they differ in that, 2 could not compare,
130 interrupted

A label map whose size differs from the other's, or from its image's in DATA_DIR, is reported and not counted.

fgIoU is over the pixels that are 0 or 1 in both, and the same in both directions. Its interval is as in mlt-s evaluate.
With DATA_DIR, label maps are in the frames of MLT's images, which the sheet shows; label maps without an image are left
out. Small words have a shorter side below 16 pixels, medium ones below 48.

keys of the JSON file:
  maps_a, maps_b
  splits      train, validation -> images (in both), fgiou, interval (null if too few images), counting (number of
              images with text in A or B where both are sure), alike (share of equal pixels, among those where both are
              sure), pixels (by class in A, then in B: background, text, uncertain), only_in_a,
              only_in_b (lists of image_id), refused (image_id -> reason); ratios without pixels are null
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
        help="value of text in each: 255 if the label maps hold 0 and 255 (default: 1 1)",
    )
    _add_by(command)
    command.add_argument("--json", metavar="FILE", help="also write the report as JSON")
    command.add_argument("--worst", metavar="N", type=_positive, help="draw the N images that differ most")
    command.add_argument("--out", metavar="FILE", help="with --worst: PNG file to write (default: differ.png)")


def _compare(options: argparse.Namespace) -> int:
    if options.out and not options.worst:
        options.parser.error("--out needs --worst")
    if options.by and options.data_dir is None:
        options.parser.error("--by needs DATA_DIR, where the words are")
    from mlt_s_tools.evaluation import compare

    given = {name: getattr(options, name) for name in ("data_dir", "split", "text_values", "by", "worst", "json")}
    return compare.run(options.maps_a, options.maps_b, **given, out=options.out or "differ.png")


def _add_weak(commands: Commands) -> None:
    about = "make label maps from word boxes, repair those of MLT_S, evaluate both, and train the network"
    command = _add(commands, "weak", None, about)
    weak = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_weak_label(weak)
    _add_weak_repair(weak)
    _add_weak_evaluate(weak)
    _add_weak_train(weak)


def _add_model(command: argparse.ArgumentParser, call: str, baseline: bool = True) -> None:
    """Adds the option for the model. If the model is given in its former place, an error shows the new call."""
    untrained = ", or baseline, a local threshold" if baseline else ""
    about = f"the folder that mlt-s weak train wrote{untrained} (default: the network that ships)"
    command.add_argument("--model", metavar="FOLDER", help=about)
    command.add_argument("former", nargs="?", help=argparse.SUPPRESS)
    command.set_defaults(call=call)


def _refuse_former(options: argparse.Namespace, values: dict[str, Any]) -> None:
    if options.former is not None:
        call = options.call.format(**values)
        options.parser.error(f"the model is an option now, and may be left out: mlt-s weak {call}")


def _resumable(run: Callable[..., int | None], arguments: dict[str, Any]) -> int | None:
    """Runs work that can be resumed, and says so if it is interrupted."""
    try:
        return run(**arguments)
    except KeyboardInterrupt:
        print("mlt-s: interrupted; run the same command again to continue", file=sys.stderr)
        return 130


_RESUMES = """\
After an interruption, run the same command again: it resumes, and writes the same bytes as an uninterrupted run"""

_WEAK_LABEL_EPILOG = f"""\
exit status: 0 written, 2 could not be written, 130 interrupted

{_RESUMES},
if the engine is the same: PyTorch if it is installed, otherwise NumPy. OUT.zip loads beside the authors' archive, with
--label-maps here and label_maps=[...] in load_dataset. Every label map in it is signed:
example["label"].info["Software"] starts with "mlt-s weak".
"""


def _add_weak_label(commands: Commands) -> None:
    about = "make label maps for images that have words, in an archive like the authors'"
    command = _add(commands, "label", _weak_label, about, epilog=_WEAK_LABEL_EPILOG)
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the images and their ground truth")
    command.add_argument("out", metavar="OUT.zip", help="the archive to write")
    _add_model(command, "label {data_dir} {former} --model {out}")
    command.add_argument(
        "--unlabelled-only", action="store_true", help="only images without a label map in --label-maps or DATA_DIR"
    )
    _add_label_maps(command)
    command.add_argument(
        "--upper", metavar="P", type=_share, help="probabilities of P and above are text (default: 0.7)"
    )
    command.add_argument(
        "--lower", metavar="P", type=_share, help="below P is background, in between uncertain (default: 0.3)"
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
            options.parser.error(f"{name} needs --unlabelled-only")
    from mlt_s_tools.weak import label
    from mlt_s_tools.weak.rule import Thresholds

    given = {name: getattr(options, name) for name in ("upper", "lower") if getattr(options, name) is not None}
    try:
        thresholds = Thresholds(**given)
    except ValueError as error:
        options.parser.error(str(error))
    names = ("data_dir", "out", "model", "unlabelled_only", "label_maps", "text_value")
    return _resumable(label.run, {**{name: getattr(options, name) for name in names}, "thresholds": thresholds})


_WEAK_REPAIR_EPILOG = f"""\
exit status: 0 written, 2 could not be written, 130 interrupted

A pixel of 255 becomes text or background if it lies in a readable word and the model is sure. All other pixels stay,
and label maps without ground truth stay as they are. OUT.zip holds all label maps; load it in place of the original
archive. Each is signed: example["label"].info["Software"] starts with "mlt-s weak repair".

{_RESUMES}.
"""


def _add_weak_repair(commands: Commands) -> None:
    about = "resolve uncertain pixels of label maps where the network is sure"
    command = _add(commands, "repair", _weak_repair, about, epilog=_WEAK_REPAIR_EPILOG)
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, ground truth among them")
    command.add_argument("out", metavar="OUT.zip", help="the archive to write")
    _add_model(command, "repair {data_dir} {former} --model {out}")
    _add_label_maps(command)
    command.add_argument(
        "--strokes", action="store_true", help="also close narrow gaps in strokes: background becomes text there"
    )
    about = "probabilities of P and above are text, below 1 - P background (0.5 to 1; default: 0.8)"
    command.add_argument("--sure", metavar="P", type=_share, help=about)


def _weak_repair(options: argparse.Namespace) -> int | None:
    _refuse_former(options, vars(options))
    if options.sure is not None and options.sure < 0.5:
        options.parser.error(f"--sure must be from 0.5 to 1, not {options.sure}")
    from mlt_s_tools.weak import repair

    names = ("data_dir", "out", "model", "strokes", "label_maps", "text_value")
    sure = repair.SURE if options.sure is None else options.sure
    return _resumable(repair.run, {**{name: getattr(options, name) for name in names}, "sure": sure})


_WEAK_EVALUATE_EPILOG = """\
exit status: 0 evaluated, 2 could not evaluate, 130 interrupted

A pixel is text if its probability reaches a threshold. With 39 images or more, the threshold is chosen for each model
by fgIoU on every second image, and the scores are those of the other images. With fewer, the threshold is 0.5, and the
scores are those of all images. Intervals are 95 % percentile bootstrap intervals: 2,000 resamples of the images,
seed 0. "better" means that the interval of the paired difference excludes 0.

keys of the JSON file:
  split, images (numbers of images: choice, report)
  left_out    lists of image_id: trained_on, without_words, not_authors
  uncertain_share_of_authors   share of pixels
  models      list of name, threshold (null for filled box and Sauvola), figures
              (help(mlt_s_tools.metrics.TextMetrics.compute)), fgiou (null if nothing was measured: no pixel that counts
              is text, labelled or found), interval (null for fewer than 6 images), counting (number of images with
              text, labelled or found); the same for without_outlines (pixels more than one pixel from the border of the
              text), within_words, by_script and by_height (small below 16 pixels, medium below 48, large; with words,
              the number of words that have a pixel that counts);
              text_unsure (share of the text in words whose probability is from 0.3 to 0.7), calibration_error
              (expected calibration error over pixels of words), calibration (list of pixels, mean probability, share
              that is text), by_threshold (list of threshold, precision, recall); null where there is nothing to measure
  differences list of of, from, value (difference in fgIoU; null if nothing was measured of one), interval, verdict
"""


def _add_weak_evaluate(commands: Commands) -> None:
    about = "compare a model with label maps, on images that it was not trained on"
    command = _add(commands, "evaluate", _weak_evaluate, about, epilog=_WEAK_EVALUATE_EPILOG)
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, ground truth among them")
    _add_model(command, "evaluate {data_dir} --model {former}")
    command.add_argument(
        "--split",
        choices=("train", "validation"),
        default="validation",
        help="split to evaluate (default: %(default)s)",
    )
    _add_label_maps(command)
    command.add_argument("--out", metavar="FILE", help="plot precision, recall and calibration, as a PNG file")
    command.add_argument("--json", metavar="FILE", help="also write the scores as JSON")


def _weak_evaluate(options: argparse.Namespace) -> None:
    _refuse_former(options, vars(options))
    from mlt_s_tools.weak import evaluate

    names = ("data_dir", "model", "split", "label_maps", "text_value", "out", "json")
    evaluate.run(**{name: getattr(options, name) for name in names})


_WEAK_TRAIN_EPILOG = """\
exit status: 0 trained, 1 not saved because fgIoU has fallen, 2 could not be trained, 130 interrupted

It learns from words of the training split. Every second image of the validation split is held out: if fgIoU on these is
lower than before training, the network is not saved. mlt-s weak evaluate uses only the other images. After an
interruption, run the same command again: it resumes from its last checkpoint. It uses a GPU if there is one.
"""


def _add_weak_train(commands: Commands) -> None:
    about = "train the network further, on your label maps"
    command = _add(commands, "train", _weak_train, about, epilog=_WEAK_TRAIN_EPILOG)
    command.add_argument("data_dir", metavar="DATA_DIR", help="the folder of the archives, ground truth among them")
    command.add_argument("out", metavar="OUT", help="the new folder to write")
    _add_model(command, "train {data_dir} {former} --model {out}", baseline=False)
    _add_label_maps(command)
    command.add_argument(
        "--steps", metavar="N", type=_positive, help="number of steps (default: depends on the number of images)"
    )
    command.add_argument("--seed", metavar="S", type=int, default=0, help="random seed (default: %(default)s)")
    command.add_argument("--even-if-worse", action="store_true", help="save the network even if its fgIoU has fallen")


def _weak_train(options: argparse.Namespace) -> int | None:
    _refuse_former(options, vars(options))
    from mlt_s_tools.extras import needed

    names = ("data_dir", "out", "model", "label_maps", "text_value", "steps", "seed", "even_if_worse")
    with needed("Training a network", "weak"):
        from mlt_s_tools.weak import train

        return _resumable(train.run, {name: getattr(options, name) for name in names})


if __name__ == "__main__":
    sys.exit(main())
