"""The picture of `mlt-s weak evaluate`: what the thresholds do."""

from mlt_s_tools import output
from mlt_s_tools.weak import needed
from mlt_s_tools.weak.baseline import FilledBox
from mlt_s_tools.writing import whole

_SIZE = (11, 5.2)  # inches
_DPI = 120
_LEGEND_COLUMNS = 2


def check():
    """Sees that a picture can be drawn.

    Raises:
        mlt_s.MltSError: matplotlib is not installed.
    """
    with needed("The picture of the thresholds"):
        import matplotlib.figure  # noqa: F401


def draw(report, out):
    """Draws text over the upper threshold, and background over the lower one.

    Args:
        report: what `as_json` returns.
        out: path of the PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    text, background = figure.subplots(1, 2)
    for at, of in enumerate(report["models"]):
        _draw_model(text, background, of, f"C{at}")
    text.set(title="Text: from the upper threshold on", xlabel="upper threshold", ylim=(0, 1.02), xlim=(0, 1))
    background.set(title="Background: below the lower threshold", xlabel="lower threshold", ylabel="%", xlim=(0, 1))
    share = 100 * report["uncertain_share_of_authors"]
    background.axhline(share, color="grey", linestyle=":", label="the authors: uncertain pixels")
    for axes in (text, background):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=_LEGEND_COLUMNS)
    with whole(out) as file:
        figure.savefig(file, format="png", metadata=output.SIGNATURE)


def _draw_model(text, background, of, color):
    name, thresholds = of["name"], of["thresholds"]
    points = [point for point in of["by_upper"] if point["recall"]]  # without any text found, precision means nothing
    _draw(text, points, ("upper", "precision", "recall"), color, (f"{name}: precision", f"{name}: recall"))
    if name == FilledBox.name:
        return
    labels = (f"{name}: text taken for background", f"{name}: uncertain pixels")
    _draw(background, of["by_lower"], ("lower", "text_lost", "uncertain_share"), color, labels, 100)
    text.axvline(thresholds["upper"], color=color, linewidth=0.8)
    background.axvline(thresholds["lower"], color=color, linewidth=0.8)


def _draw(axes, points, keys, color, labels, factor=1):
    """Two lines over one threshold, the first one solid and the second one dashed."""
    over, *keys = keys
    for key, label, style in zip(keys, labels, ("-", "--")):
        values = [factor * point[key] for point in points]
        axes.plot([point[over] for point in points], values, color=color, linestyle=style, label=label)
