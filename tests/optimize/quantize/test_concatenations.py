"""Which layers share a range."""

from corallite.optimize.quantize.concatenations import find_joined
from corallite.train.framework.keras import keras
from corallite.train.models.channel_slice import ChannelSlice


def names(groups):
    return sorted(sorted(layer.name for layer in group) for group in groups)


def relu(x, name):
    return keras.layers.ReLU(name=name)(x)


def test_tensors_that_meet_a_third_have_its_range():
    image = keras.Input((4, 4, 2))
    a, b, c, d, e = (relu(image, name) for name in "abcde")
    join = keras.layers.Concatenate
    first, second, apart = join()([a, b]), join()([b, c]), join()([d, e])
    model = keras.Model(image, keras.layers.Add()([first, second, apart]))
    assert names(find_joined(model)) == [["a", "b", "c"], ["d", "e"]]


def test_sources_are_found_behind_slices_and_concatenations():
    image = keras.Input((4, 4, 2))
    a, b, c = (relu(image, name) for name in "abc")
    inner = keras.layers.Concatenate()([ChannelSlice(0, 1)(a), b])
    model = keras.Model(image, keras.layers.Concatenate()([inner, c]))
    assert names(find_joined(model)) == [["a", "b", "c"]]
