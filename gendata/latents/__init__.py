"""Latent laws: from counter-based uniforms and normals to latents `z`."""

TABLE = {
    "normal": "gendata.latents.normal:Normal",
    "mixture": "gendata.latents.mixture:Mixture",
    "codebook": "gendata.latents.codebook:Codebook",
    "slot": "gendata.latents.slot:Slot",
    "stored": "gendata.latents.stored:Stored",
}
