"""Exporters: an artifact's samples as files that other tools read; one layout per file."""

TABLE = {
    "ddranking": "gendata.exporters.ddranking:DdRanking",
    "image-folder": "gendata.exporters.image_folder:ImageFolder",
    "numpy": "gendata.exporters.numpy_arrays:NumpyArrays",
    "onnx": "gendata.exporters.onnx_graph:OnnxGraph",
    "parquet": "gendata.exporters.parquet:Parquet",
    "webdataset": "gendata.exporters.tar_shards:TarShards",
}
