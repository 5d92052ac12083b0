"""The data sets that steelyard knows: what they are, where they come from, and under which hashes.

Hashes: the SHA-256 and sizes are those that TensorFlow Datasets checks (``url_checksums/`` of its repository, 2024); the
MD5 of CIFAR and of Fashion-MNIST are those on their publishers' pages, MNIST's has none.
"""

from __future__ import annotations

from types import MappingProxyType

from steelyard.data.source import DataSource, Download

_DIGITS = tuple("0123456789")
_MNIST_COUNTS = MappingProxyType({"train": 60_000, "test": 10_000})
_CIFAR_COUNTS = MappingProxyType({"train": 50_000, "test": 10_000})
_MNIST_PRESENT = ("t10k-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte")

DIGITS = DataSource(
    "digits",
    "handwritten digits of 8 x 8 pixels",
    "steelyard.data.digits:read_digits",
    needs="nothing",
    classes=_DIGITS,
    counts=MappingProxyType({"train": 1437, "test": 360}),
    shape=(1, 8, 8),
    mean=(0.3057,),
    std=(0.3762,),
    statistics="computed over the training part",
    published="E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998",
    licence="CC BY 4.0",
)

_FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"

FASHION_MNIST = DataSource(
    "fashion_mnist",
    "greyscale pictures of clothes, in MNIST's format",
    "steelyard.data.mnist:read_mnist",
    classes=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    counts=_MNIST_COUNTS,
    balanced=True,
    shape=(1, 28, 28),
    mean=(0.2860,),
    std=(0.3530,),
    statistics="computed over the training images",
    published="H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, arXiv:1708.07747, 2017",
    licence="MIT",
    files=_MNIST_PRESENT,
    elsewhere=("/usr/share/datasets/fashion-mnist",),
    downloads=(
        Download(
            f"{_FASHION}/train-images-idx3-ubyte.gz",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            26_421_880,
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        ),
        Download(
            f"{_FASHION}/train-labels-idx1-ubyte.gz",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            29_515,
            "25c81989df183df01b3e8a0aad5dffbe",
        ),
        Download(
            f"{_FASHION}/t10k-images-idx3-ubyte.gz",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            4_422_102,
            "bef4ecab320f06d8554ea6380940ec79",
        ),
        Download(
            f"{_FASHION}/t10k-labels-idx1-ubyte.gz",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            5_148,
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
)  # fmt: skip

_MNIST = "https://storage.googleapis.com/cvdf-datasets/mnist"

MNIST = DataSource(
    "mnist",
    "handwritten digits of 28 x 28 pixels",
    "steelyard.data.mnist:read_mnist",
    classes=_DIGITS,
    counts=_MNIST_COUNTS,
    shape=(1, 28, 28),
    mean=(0.1307,),
    std=(0.3081,),
    statistics="of PyTorch's MNIST example",
    published="Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database, 1998",
    licence="CC BY-SA 3.0",
    files=_MNIST_PRESENT,
    downloads=(
        Download(
            f"{_MNIST}/train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9_912_422,
        ),
        Download(
            f"{_MNIST}/train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            28_881,
        ),
        Download(
            f"{_MNIST}/t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1_648_877,
        ),
        Download(
            f"{_MNIST}/t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4_542,
        ),
    ),
)

_CIFAR_PAPER = "A. Krizhevsky, Learning multiple layers of features from tiny images, 2009"

CIFAR10 = DataSource(
    "cifar10",
    "colour photographs of 32 x 32 pixels",
    "steelyard.data.cifar:read_cifar10",
    classes=(
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ),
    counts=_CIFAR_COUNTS,
    balanced=True,
    shape=(3, 32, 32),
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    statistics="as commonly stated, in 255ths: 125.307 122.950 113.865, 62.993 62.089 66.705",
    published=_CIFAR_PAPER,
    licence="none stated",
    files=("test_batch.bin", "cifar-10-batches-bin/test_batch.bin"),
    downloads=(
        Download(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            170_052_171,
            "c32a1d4ab5d03f1284b67883e8d87530",
            (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"),
        ),
    ),
)  # fmt: skip

CIFAR100 = DataSource(
    "cifar100",
    "colour photographs of 32 x 32 pixels",
    "steelyard.data.cifar:read_cifar100",
    classes=tuple(
        """
        apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
        butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch
        crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo
        keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse
        mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy
        porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper
        snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television
        tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
        """.split()
    ),
    counts=_CIFAR_COUNTS,
    balanced=True,
    shape=(3, 32, 32),
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
    statistics="as commonly stated",
    published=_CIFAR_PAPER,
    licence="none stated",
    files=("test.bin", "cifar-100-binary/test.bin"),
    downloads=(
        Download(
            "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            168_513_733,
            "03b5dce01913d631647c71ecec9e9cb8",
            ("train.bin", "test.bin"),
        ),
    ),
)

IMAGENET = DataSource(
    "imagenet",
    "photographs of 1,000 classes (ILSVRC 2012)",
    "steelyard.data.folder:read_imagenet",
    counts=MappingProxyType({"train": 1_281_167, "test": 50_000}),
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    statistics="of torchvision's pretrained networks",
    published="O. Russakovsky et al., ImageNet large scale visual recognition challenge, IJCV 2015",
    licence="for research, on request",
    files=("val", "train"),
    help="imagenet:PATH; the pictures are given out at image-net.org, class folders in train and val",
)

FOLDER = DataSource(
    "folder",
    "pictures of one's own, one folder for each class",
    "steelyard.data.folder:read_folder",
    needs="place",
    help="folder:PATH",
)

HUGGINGFACE = DataSource(
    "huggingface",
    "a data set of the library datasets, by its name or folder",
    "steelyard.data.huggingface:read_huggingface",
    needs="place",
    help="huggingface:NAME",
)

SOURCES = (DIGITS, FASHION_MNIST, MNIST, CIFAR10, CIFAR100, IMAGENET, FOLDER, HUGGINGFACE)
