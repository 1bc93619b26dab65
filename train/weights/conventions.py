"""The conventions of the libraries that weights come from, and of their inputs."""

from corallite.train.models.blocks import Conventions

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)

# torchvision/models/shufflenetv2.py and mobilenetv2.py.
TORCHVISION_SHUFFLENET = Conventions(
    padding="symmetric",
    relu_limit=None,
    mean=_IMAGENET_MEAN,
    deviation=_IMAGENET_DEVIATION,
)
TORCHVISION_MOBILENET = Conventions(
    padding="symmetric", mean=_IMAGENET_MEAN, deviation=_IMAGENET_DEVIATION
)
# keras/src/applications/mobilenet_v2.py: pixels from -1 to 1. It pads even sides by
# hand, (0, 1), which is what "same" does.
KERAS_APPLICATIONS = Conventions(
    epsilon=1e-3, mean=(0.5, 0.5, 0.5), deviation=(0.5, 0.5, 0.5)
)
# tensorflow/tpu, efficientnet/lite: (pixel - 127) / 128.
EFFICIENTNET_LITE = Conventions(
    epsilon=1e-3, mean=(127 / 255,) * 3, deviation=(128 / 255,) * 3
)
