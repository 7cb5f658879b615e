"""Sources: where real data comes from."""

TABLE = {
    "digits": "gendata.sources.digits:Digits",
    "fashion-mnist": "gendata.sources.torchvision:FashionMnist",
    "mnist": "gendata.sources.torchvision:Mnist",
    "kmnist": "gendata.sources.torchvision:Kmnist",
    "cifar10": "gendata.sources.torchvision:Cifar10",
    "cifar100": "gendata.sources.torchvision:Cifar100",
    "svhn": "gendata.sources.torchvision:Svhn",
    "tiny-imagenet": "gendata.sources.tiny_imagenet:TinyImageNet",
    "folder": "gendata.sources.folder:ImageFolder",
    "huggingface": "gendata.sources.huggingface:HuggingFace",
}
