"""Methods: the objectives that fit a generator. `setup`, `step(i) -> losses`, `state_dict`; no files, no loop."""

TABLE = {
    "generative": "gendata.methods.generative:Generative",
    "herding": "gendata.methods.herding:Herding",
    "k-center": "gendata.methods.k_center:KCenter",
    "random-real": "gendata.methods.random_real:RandomReal",
}
