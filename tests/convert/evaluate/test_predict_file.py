import numpy as np

from corallite.convert.evaluate import predict_file
from corallite.convert.evaluate.metrics import evaluate_file
from corallite.convert.evaluate.predict_file import (
    predict_labels_by_file,
    predict_timed,
)
from corallite.device.engine.classifier import Classifier
from corallite.train.data.load import load_data
from corallite.train.runs.run import Run


def test_threads_predict_what_one_classifier_does(small_run, monkeypatch):
    path = small_run / "int8" / "model_int8.tflite"
    split = load_data(Run.open(small_run)).splits["train"]
    classifier = Classifier(path)
    expected = np.array([classifier.run(pixels) for pixels in split.images_rgb_u8])
    whole = evaluate_file(path, split)
    monkeypatch.setattr(predict_file, "_TIMED", 10)
    monkeypatch.setattr(predict_file, "_CHUNK", 7)
    _, found, latencies_ms = predict_timed(path, split)
    np.testing.assert_array_equal(found, expected)
    assert len(latencies_ms) == 10
    labels = predict_labels_by_file(path, split)
    np.testing.assert_array_equal(labels, expected.argmax(1))
    assert evaluate_file(path, split).confusion == whole.confusion
