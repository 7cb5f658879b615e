"""Losses: terms that compare a synthetic with a real batch under one embedding network. A recipe sums them by name."""

TABLE = {
    "cross-entropy": "gendata.losses.cross_entropy:CrossEntropy",
    "inter-class": "gendata.losses.inter_class:InterClass",
    "intra-class": "gendata.losses.intra_class:IntraClass",
    "mean": "gendata.losses.mean:Mean",
    "moment": "gendata.losses.moment:Moment",
}
