"""Croissant, derived from a card's `configs` and `dataset_info` as the Hub derives it.

Differs from the Hub's own: each parquet file is named with its address and sha256, where the Hub names its git
repository and a pattern, which only `git clone` of the real thing can follow. Test code.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any


def derive(name: str, card: dict[str, Any], files: dict[str, str], here: str) -> dict[str, Any]:
    """JSON-LD.

    Args:
        name: of the data set.
        card: the metadata of its README.
        files: sha256 by path.
        here: where the files are served.
    """
    described = {info["config_name"]: info for info in card["dataset_info"]}
    distribution, records = [], []
    for config in card["configs"]:
        label, pattern = config["config_name"], config["data_files"][0]["path"]
        (path,) = (path for path in files if fnmatch(path, pattern))  # one shard each, in these tests
        distribution.append(
            {
                "@type": "cr:FileObject",
                "@id": path,
                "name": path,
                "contentUrl": f"{here}/{path}",
                "encodingFormat": "application/x-parquet",
                "sha256": files[path],
            }
        )
        fields = [_field(label, feature, path) for feature in described[label]["features"]]
        records.append({"@type": "cr:RecordSet", "@id": label, "name": label, "field": fields})
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": card["pretty_name"],
        "license": card["license"],
        "url": here,
        "distribution": distribution,
        "recordSet": records,
    }


def _field(config: str, feature: dict[str, Any], path: str) -> dict[str, Any]:
    column = feature["name"]
    source: dict[str, Any] = {"fileObject": {"@id": path}, "extract": {"column": column}}
    if feature.get("dtype") == "image":
        source["transform"] = {"jsonPath": "bytes"}
    kind = "sc:ImageObject" if feature.get("dtype") == "image" else "sc:Integer"
    name = f"{config}/{column}"
    return {"@type": "cr:Field", "@id": name, "name": name, "dataType": kind, "source": source}


_CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases", "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
    "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
    "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation", "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
    "replace": "cr:replace", "samplingRate": "cr:samplingRate", "sc": "https://schema.org/",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip
