"""The metadata of a built repository in Croissant 1.1, for other tools and search engines.

It is plain JSON-LD, so a build needs no other package. It states only what the card states: unpublished facts are left
out, even the date of publication, which the specification asks for. Nothing in it depends on the machine or on the
place of upload.

Format: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html and croissant-rai-spec.html beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import mlt_s
from mlt_s_tools.hub.layout import FOLDERS, Built, features_of

NAME = "croissant.json"

_LICENSE_URLS = {
    "cc-by-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
}

# As mlcroissant writes it for version 1.1; it warns if one of these is missing.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def metadata(built: Built, languages: Iterable[str], keywords: Iterable[str]) -> dict[str, Any]:
    """The metadata of a repository, as JSON values.

    Args:
        built: the `layout.Built` that it holds.
        languages: codes of the languages in the images.
        keywords: search keywords.
    """
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": "Bundled sample of mlt_s" if built.is_sample else "MLT_S",
        "description": _description(built),
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        **({"license": license_url} if (license_url := _LICENSE_URLS.get(built.license)) else {}),
        **({} if built.is_sample else {"url": mlt_s.HOMEPAGE, "citeAs": mlt_s.CITATION.strip()}),
        **({"creator": [{"@type": "sc:Person", "name": name} for name in _authors()]} if built.has_authors_own else {}),
        "version": str(mlt_s.MltS.VERSION),
        "keywords": list(keywords),
        "inLanguage": list(languages),
        **_responsible_ai(built),
        "distribution": [_file_set(folder) for folder in _folders(built)],
        "recordSet": [_record_set(built, config) for config in built.configs],
    }


def _description(built: Built) -> str:
    if built.is_by_authors:
        return " ".join(mlt_s.MltS(config_name="labels").info.description.split())
    if built.is_sample:
        return f"Drawn scenes to try mlt_s with, and their label maps. None is of MLT or of MLT_S: {_values(built)}."
    return f"Label maps of images of the ICDAR 2017 MLT challenge, not known to be those of MLT_S: {_values(built)}."


def _values(built: Built) -> str:
    return ", ".join(f"{value} {mlt_s.LABEL_MAP.int2str(value)}" for value in built.label_values)


def _authors() -> Iterable[str]:
    """The authors of the label maps, from the citation: "Last, First and Last, First"."""
    for author in re.findall(r"author *= \{(.*)\}", mlt_s.CITATION)[0].split(" and "):
        last, first = author.split(", ")
        yield f"{first} {last}"


# --- Where it comes from, and its weaknesses -----------------------------------------------------------------------


def _responsible_ai(built: Built) -> dict[str, Any]:
    """What is known about how the data was made. Nothing was published about biases, people in the images or
    maintenance.
    """
    weak = sum(built.weak_of(built.configs[0], split) for split in built.splits_of(built.configs[0]))
    collection = f"The images are those of the ICDAR 2017 MLT challenge: {mlt_s.IMAGES_URL}"
    use = "Semantic segmentation of text in the scripts and languages of MLT."
    limitations = ["Other images of MLT have no label map, and there is no test split."]
    if built.is_sample:
        collection, use = "The images were drawn by a program.", "To try the loader mlt_s without a download."
        limitations = ["Figures on these scenes say nothing about figures on MLT."]
    fields: dict[str, Any] = {
        "rai:dataCollection": collection,
        "rai:annotationsPerItem": "One label map per image.",
        "rai:dataPreprocessingProtocol": list(_changes(built)),
        "rai:dataUseCases": use,
    }
    tools: list[str] = []
    if built.has_authors_own:  # how others were made is not known
        fields["rai:dataAnnotationProtocol"] = (
            "Weak supervision, not by hand: the authors of MLT_S applied a background/foreground network to each word "
            "box of MLT. Where the network was not sure, pixels are uncertain (255); a whole box can be."
        )
        tools.append("The background/foreground network of the authors of MLT_S")
        limitations += ["Machine-made: strokes can be broken.", "Much around text is uncertain (255)."]
    if weak:
        tools.append("mlt-s weak")
        limitations.append(f"{mlt_s.counted(weak, 'label map')} made or repaired by mlt-s weak, and not the authors'.")
    if tools:
        fields["rai:machineAnnotationTools"] = tools
    return {**fields, "rai:dataLimitations": limitations}


def _changes(built: Built) -> Iterable[str]:
    """What this repository changed in the files of the authors and of MLT."""
    yield "Label maps were put into Parquet files under the names of their images."
    if built.has_images:
        yield "Orientation tags of images (EXIF, XMP) were set to 1: image and label map fit. No pixel was touched."
    if built.palette:
        yield "Label maps got a palette of the published colours; their values are the indices."
    if built.text_value == 255:
        uncertain = "what is uncertain comes from mlt-s weak" if built.has_uncertain else "nothing in them is uncertain"
        yield f"Text in label maps, which was 255, got the value 1; {uncertain}."


# --- Files, and the records in them --------------------------------------------------------------------------------


def _folders(built: Built) -> list[str]:
    return sorted({FOLDERS[config] for config in built.configs})


def _files(folder: str) -> str:
    return f"{folder}-files"


def _file_set(folder: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": _files(folder),
        "name": _files(folder),
        "description": f"The Parquet files of the folder {folder}. manifest.json has the SHA-256 of each.",
        "encodingFormat": "application/x-parquet",
        "includes": f"{folder}/*.parquet",
    }


def _record_set(built: Built, config: str) -> dict[str, Any]:
    counts = ", ".join(f"{split} {built.rows_of(config, split):,}" for split in built.splits_of(config))
    return {
        "@type": "cr:RecordSet",
        "@id": config,
        "name": config,
        "description": f"{_DESCRIPTIONS[config]} Examples: {counts}.",
        "key": [{"@id": f"{config}/split"}, {"@id": f"{config}/image_id"}],
        "field": [_split_field(config), *(_FIELDS[column](config, built) for column in features_of(config))],
    }


def _field(parent: str, name: str, description: str, kinds: str | list[str], **more: Any) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{parent}/{name}",
        "name": name,
        "description": description,
        "dataType": kinds,
        **more,
    }


def _source(config: str, extract: dict[str, str], transform: dict[str, str] | None = None) -> dict[str, Any]:
    files = {"fileSet": {"@id": _files(FOLDERS[config])}, "extract": extract}
    return {**files, "transform": transform} if transform else files


def _split_field(config: str) -> dict[str, Any]:
    """The split, taken from the name of the file. It references no list of splits: such a join prevents streaming."""
    source = _source(config, {"fileProperty": "filename"}, {"regex": f"({'|'.join(mlt_s.PUBLISHED_COUNTS)})-.*"})
    return _field(config, "split", "train or validation.", ["sc:Text", "cr:Split"], source=source)


def _id_field(config: str, built: Built) -> dict[str, Any]:
    text = "Name of the image in MLT, such as img_1; unique in its split."
    return _field(config, "image_id", text, "sc:Text", source=_source(config, {"column": "image_id"}))


def _image_field(config: str, built: Built) -> dict[str, Any]:
    source = _source(config, {"column": "image"}, {"jsonPath": "bytes"})
    text = "The image file of a drawn scene." if built.is_sample else "The image file of MLT."
    return _field(config, "image", text, "sc:ImageObject", source=source)


def _label_field(config: str, built: Built) -> dict[str, Any]:
    text = f"The label map, a PNG of one channel: {_values(built)}. The ignore index is {mlt_s.LABEL_MAP.ignore_index}."
    source = _source(config, {"column": "label"}, {"jsonPath": "bytes"})
    return _field(config, "label", text, ["sc:ImageObject", "cr:SegmentationMask"], source=source)


def _words_field(config: str, built: Built) -> dict[str, Any]:
    scripts = ", ".join(f"{value} {name}" for value, name in enumerate(mlt_s.SCRIPTS))
    parts = {
        "quad": ("Corners [x, y] in pixels of the image.", "cr:Float64", {"isArray": True, "arrayShape": "4,2"}),
        "script": (f"{scripts}; {mlt_s.UNKNOWN_SCRIPT} is a script that MLT does not have.", "cr:Int64", {}),
        "transcription": (f"As MLT has it; {mlt_s.UNREADABLE} of a word that nobody could read.", "sc:Text", {}),
        "readable": ("False of a word that nobody could read.", "sc:Boolean", {}),
    }
    fields = [
        _field(
            f"{config}/words", name, text, kind, source=_source(config, {"column": "words"}, {"jsonPath": name}), **more
        )
        for name, (text, kind, more) in parts.items()
    ]
    listed = {"isArray": True, "arrayShape": "-1", "subField": fields}
    return {"@type": "cr:Field", "@id": f"{config}/words", "name": "words", "description": "MLT's words.", **listed}


_FIELDS = {"image_id": _id_field, "image": _image_field, "label": _label_field, "words": _words_field}
_DESCRIPTIONS = {config.name: config.description for config in mlt_s.MltS.BUILDER_CONFIGS}
