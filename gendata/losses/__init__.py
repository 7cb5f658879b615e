"""Losses: terms that compare a synthetic with a real batch under one embedding network. A recipe sums them by name."""

TABLE = {
    "attention": "gendata.losses.attention:Attention",
    "characteristic": "gendata.losses.characteristic:Characteristic",
    "covariance": "gendata.losses.covariance:Covariance",
    "cross-entropy": "gendata.losses.cross_entropy:CrossEntropy",
    "inter-class": "gendata.losses.inter_class:InterClass",
    "intra-class": "gendata.losses.intra_class:IntraClass",
    "logit": "gendata.losses.logit:Logit",
    "mean": "gendata.losses.mean:Mean",
    "moment": "gendata.losses.moment:Moment",
    "soft-label": "gendata.losses.soft_label:SoftLabel",
}
