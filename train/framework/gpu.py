"""Asks TensorFlow which GPUs it uses."""

from corallite.train.framework.keras import tf

# Of NVIDIA's GPUs, the first with Tensor Cores, which float16 needs to be faster
# (https://www.tensorflow.org/guide/mixed_precision).
_TENSOR_CORES = (7, 0)


def has_tensor_cores() -> bool:
    """Returns whether there is a GPU, and all GPUs compute faster in float16."""
    found = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(x) for x in found]
    capabilities = [x.get("compute_capability", (0, 0)) for x in details]
    return bool(found) and min(capabilities) >= _TENSOR_CORES
