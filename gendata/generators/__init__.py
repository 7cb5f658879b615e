"""Generators `(z, y) -> x`: one architecture per file; torch only, no files, no network."""

TABLE = {
    "conv-decoder": "gendata.generators.conv_decoder:ConvDecoder",
    "pixel-bank": "gendata.generators.pixel_bank:PixelBank",
}
