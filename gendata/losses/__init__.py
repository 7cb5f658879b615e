"""Losses: terms that compare a synthetic with a real batch under one embedding network. A recipe sums them by name.

    name            compares                                         source
    attention       where in the image blocks look                   DataDAM
    characteristic  characteristic functions of features             NCFM
    covariance      how channels vary together                       IID
    cross-entropy   certainty of trained networks                    IDM; by default ours: up to that on real samples
    inter-class     gaps between class centres                       arXiv:2309.07698 in words; forms ours
    intra-class     spread inside a class                            likewise; also Minimax's, and IID's, which draws in
    logit           log probabilities of pairs                       DiM
    mean            means of features                                DM
    moment          second moments of projected features             ours
    soft-label      what the samples of a class are taken for        ours

Each file says its formula and where it differs. Adversarial terms see images instead: `gendata.losses.adversary`.
"""

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
