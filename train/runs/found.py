"""Facts about models that find boxes, which are read without TensorFlow."""

# Height and width of a cell in pixels of the model's input.
STRIDE = 8
# The outputs in their order, as files name them. A model that finds boxes only has the
# first two.
HEATMAP, BOXES, SCORES = "heatmap", "boxes", "scores"
# Of an image, as in COCO's own evaluation.
MOST_BOXES = 100
# Of a box that counts in mAP50, which orders boxes by their score.
LEAST_SCORE = 0.01
