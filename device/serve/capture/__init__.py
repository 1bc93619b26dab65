"""Photos of a camera, taken and named on a page, and a model that is taught by them."""
