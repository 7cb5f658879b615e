"""Importers: other tools' files as artifacts; one layout per file."""

# In the order in which they are asked whether a path is theirs: those that look at names alone come first.
TABLE = {
    "mtt": "gendata.importers.mtt:Mtt",
    "datm": "gendata.importers.mtt:Datm",
    "kip": "gendata.importers.kip:Kip",
    "parquet": "gendata.importers.parquet:Parquet",
    "folder": "gendata.importers.folder:Folder",
    "dc": "gendata.importers.dc:Dc",
    "idc": "gendata.importers.idc:Idc",
    "ncfm": "gendata.importers.idc:Ncfm",
    "dim": "gendata.importers.dim:Dim",
}
