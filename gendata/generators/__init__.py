"""Generators `(z, y) -> x`, and the label head beside them: one architecture per file; torch only, no files."""

TABLE = {
    "conv-decoder": "gendata.generators.conv_decoder:ConvDecoder",
    "dim-conv-gan": "gendata.generators.dim_conv_gan:DimConvGan",
    "multi-formation-bank": "gendata.generators.multi_formation_bank:MultiFormationBank",
    "pixel-bank": "gendata.generators.pixel_bank:PixelBank",
}
