"""The command line `mlt-s`: one subcommand a task, each in a module of its own."""

import argparse
import os
import sys


def main(arguments=None):
    """Runs `mlt-s`.

    Args:
        arguments: the words after `mlt-s`, a list of str; by default those of the command line.

    Returns:
        The exit status: 0 all well, 2 the work could not be done (the reason stands on stderr).
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has had enough. Python flushes stdout once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"mlt-s: {error}", file=sys.stderr)
        return 2
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="mlt-s", description="Tools for MLT_S, label maps of scene text.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    return parser


def _add_demo(commands):
    about = "load the bundled sample, say what came out, and draw a picture of it"
    command = commands.add_parser("demo", help=about, description=about.capitalize() + ".")
    command.add_argument("--out", metavar="FILE", default="preview.png", help="the PNG to write (default: %(default)s)")
    command.set_defaults(run=_demo)


def _demo(options):
    # Imported here, because `datasets` takes seconds and `mlt-s --help` shall not wait for it.
    from mlt_s_tools import demo

    demo.run(options.out)
