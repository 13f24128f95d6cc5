"""A hook of MkDocs: the picture of the README lies beside the sample, and is one of the site's files too."""

from mkdocs.structure.files import File

PICTURE = "mlt_s_tools/preview.png"


def on_files(files, config):
    files.append(File.generated(config, "preview.png", abs_src_path=PICTURE))
    return files


def on_page_markdown(markdown, page, config, files):
    return markdown.replace(f"../{PICTURE}", "preview.png")
