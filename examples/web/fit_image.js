// Fits an image to a model's input, as device/image/preprocess.py does.

// Returns length * numerator / denominator, rounded, at least 1.
function scale(length, numerator, denominator) {
  return Math.max(1, Math.floor((2 * length * numerator + denominator) / (2 * denominator)));
}

// Returns which part of an image of width x height is used, and where it goes:
// {left, top, columns, rows} of the image, {x, y, width, height} of the input.
export function place(width, height, [inputHeight, inputWidth], fit) {
  const image = { left: 0, top: 0, columns: width, rows: height };
  const input = { x: 0, y: 0, width: inputWidth, height: inputHeight };
  const isWider = width * inputHeight > height * inputWidth;
  if (fit === "crop") {
    if (isWider) image.columns = scale(height, inputWidth, inputHeight);
    else image.rows = scale(width, inputHeight, inputWidth);
    image.left = Math.floor((width - image.columns) / 2);
    image.top = Math.floor((height - image.rows) / 2);
  } else if (fit === "pad") {
    if (isWider) input.height = scale(inputWidth, height, width);
    else input.width = scale(inputHeight, width, height);
    input.x = Math.floor((inputWidth - input.width) / 2);
    input.y = Math.floor((inputHeight - input.height) / 2);
  }
  return { image, input };
}

// Returns for each of `to` positions the first of `from` pixels that it averages, and
// their weights.
function listAreas(from, to) {
  const step = from / to;
  return Array.from({ length: to }, (_, i) => {
    const begin = i * step;
    const end = Math.min(begin + step, from);
    // Rounding errors must not add a pixel.
    const first = Math.floor(begin + 1e-9);
    const weights = [];
    for (let pixel = first; pixel < end - 1e-9; ++pixel) {
      weights.push((Math.min(pixel + 1, end) - Math.max(pixel, begin)) / (end - begin));
    }
    return { first, weights };
  });
}

// Shrinks one axis. `values` has `channels` numbers at each of `outer` x `from` x
// `inner` places; of these, the first three are kept.
function shrinkAxis(values, channels, outer, from, inner, to, result) {
  const areas = listAreas(from, to);
  for (let o = 0; o < outer; ++o) {
    for (let i = 0; i < to; ++i) {
      const { first, weights } = areas[i];
      for (let n = 0; n < inner; ++n) {
        let red = 0, green = 0, blue = 0;
        for (let t = 0; t < weights.length; ++t) {
          const at = channels * ((o * from + first + t) * inner + n);
          red += weights[t] * values[at];
          green += weights[t] * values[at + 1];
          blue += weights[t] * values[at + 2];
        }
        const place = 3 * ((o * to + i) * inner + n);
        result[place] = red;
        result[place + 1] = green;
        result[place + 2] = blue;
      }
    }
  }
  return result;
}

// Returns for each of `to` positions the two of `from` pixels that it lies between, and
// their weights in 1/2048, as OpenCV rounds them.
function listNeighbours(from, to) {
  return Array.from({ length: to }, (_, i) => {
    const place = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    const first = Math.floor(place);
    const weight = Math.round(2048 * (place - first));
    return [first, Math.min(first + 1, from - 1), 2048 - weight, weight];
  });
}

// Interpolates linearly, in OpenCV's integers. `pixels` are RGB.
function enlarge(pixels, columns, rows, width, height) {
  const result = new Uint8ClampedArray(3 * width * height);
  const [across, down] = [listNeighbours(columns, width), listNeighbours(rows, height)];
  const blend = (row, [left, right, less, more], channel) =>
    less * pixels[3 * (row * columns + left) + channel] +
    more * pixels[3 * (row * columns + right) + channel];
  let at = 0;
  for (const [above, below, less, more] of down) {
    for (const place of across) {
      for (let channel = 0; channel < 3; ++channel) {
        const high = (less * (blend(above, place, channel) >> 4)) >> 16;
        const low = (more * (blend(below, place, channel) >> 4)) >> 16;
        result[at++] = (high + low + 2) >> 2;
      }
    }
  }
  return result;
}

// Returns RGB pixels of the size width x height, a byte each, row by row.
// `pixels` are RGBA, as a canvas gives them.
export function resize(pixels, columns, rows, width, height) {
  // In two steps if one axis shrinks and the other grows, as the device does.
  const narrow = Math.min(columns, width), low = Math.min(rows, height);
  const wide = shrinkAxis(pixels, 4, rows, columns, 1, narrow,
    new Float32Array(3 * rows * narrow));
  // The clamped array rounds, half to even.
  const shrunk = shrinkAxis(wide, 3, 1, rows, narrow, low,
    new Uint8ClampedArray(3 * narrow * low));
  if (narrow === width && low === height) return shrunk;
  return enlarge(shrunk, narrow, low, width, height);
}

// Returns the model's input: RGB pixels, a byte each, row by row.
// `context` is of a canvas with the whole image, of width x height.
export function fitImage(context, width, height, sizeHw, fit) {
  const { image, input } = place(width, height, sizeHw, fit);
  const { data } = context.getImageData(image.left, image.top, image.columns, image.rows);
  const fitted = resize(data, image.columns, image.rows, input.width, input.height);
  const [inputHeight, inputWidth] = sizeHw;
  if (fitted.length === 3 * inputHeight * inputWidth) return new Uint8Array(fitted.buffer);
  const padded = new Uint8Array(3 * inputHeight * inputWidth);
  for (let row = 0; row < input.height; ++row) {
    const line = fitted.subarray(3 * row * input.width, 3 * (row + 1) * input.width);
    padded.set(line, 3 * ((input.y + row) * inputWidth + input.x));
  }
  return padded;
}
