"""Methods: the objectives that fit a generator. `begin`, `stages`, `step` -> losses, `finish`; no files, no loop."""

TABLE = {
    "dim": "gendata.methods.dim:Dim",
    "dm": "gendata.methods.distribution_matching:DistributionMatching",
    "dsa": "gendata.methods.gradient_matching:GradientMatching",
    "generative": "gendata.methods.generative:Generative",
    "herding": "gendata.methods.herding:Herding",
    "it-gan": "gendata.methods.it_gan:ItGan",
    "k-center": "gendata.methods.k_center:KCenter",
    "ncfm": "gendata.methods.characteristic_matching:CharacteristicMatching",
    "random-real": "gendata.methods.random_real:RandomReal",
}
