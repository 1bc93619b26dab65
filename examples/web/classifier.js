// Runs a model of Corallite by LiteRT.js, as device/engine/heads.py does.

import { Tensor, loadAndCompile, loadLiteRt } from "./litert/core.js";
import { fitImage } from "./fit_image.js";

const softmax = (values) => {
  const most = Math.max(...values);
  return divideBySum(values.map((value) => Math.exp(value - most)));
};
const sigmoid = (values) => values.map((value) => 0.5 * (1 + Math.tanh(0.5 * value)));

function divideBySum(values) {
  const sum = values.reduce((total, value) => total + value, 0);
  return values.map((value) => (sum > 0 ? value / sum : 0));
}

// Turns the numbers of the output into a probability for each label.
export function interpret(numbers, description) {
  const { labels, values, scale, zeroPoint, temperature } = description;
  let found = Array.from(numbers, (number) => (number - zeroPoint) * scale);
  const isMultilabel = values.startsWith("multilabel");
  // One number is that of the second of two labels.
  const isPair = found.length === 1 && labels.length === 2 && !isMultilabel;
  if (values.endsWith("logits")) found = isMultilabel || isPair ? sigmoid(found) : softmax(found);
  if (isPair) found = [1 - found[0], found[0]];
  if (temperature === 1) return found;
  const most = Math.max(...found);
  const powers = found.map((x) => Math.pow(Math.max(x, 0) / (most || 1), 1 / temperature));
  return divideBySum(powers);
}

export class Classifier {
  // Loads LiteRT.js, model.json and the model that it names, from the page's folder.
  static async load() {
    const answer = await fetch("model.json");
    if (!answer.ok) throw new Error(`model.json: the server answers ${answer.status}.`);
    const description = await answer.json();
    await loadLiteRt("litert/wasm/");
    const model = await loadAndCompile(description.model, { accelerator: "wasm" });
    return new Classifier(description, model);
  }

  constructor(description, model) {
    this.description = description;
    this.model = model;
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
  }

  // Classifies an ImageBitmap or the current picture of a <video>.
  // Returns {label, probability, scores: [[label, probability], ...], milliseconds};
  // the label is "unknown" if the model is not sure enough.
  async classify(source) {
    const began = performance.now();
    const width = source.videoWidth ?? source.width;
    const height = source.videoHeight ?? source.height;
    // Another size also clears the canvas, so that a transparent image covers nothing.
    Object.assign(this.canvas, { width, height });
    this.context.drawImage(source, 0, 0);
    const { sizeHw, fit, labels, thresholds } = this.description;
    const pixels = fitImage(this.context, width, height, sizeHw, fit);
    const probabilities = interpret(await this.run(pixels), this.description);
    const best = probabilities.indexOf(Math.max(...probabilities));
    const isNamed = thresholds[best] !== null && probabilities[best] >= thresholds[best];
    return {
      label: isNamed ? labels[best] : "unknown",
      probability: probabilities[best],
      scores: labels.map((label, index) => [label, probabilities[index]]),
      milliseconds: performance.now() - began,
    };
  }

  // Runs the model on RGB pixels of its input's size; returns the numbers of its output.
  async run(pixels) {
    const [height, width] = this.description.sizeHw;
    const input = new Tensor(pixels, [1, height, width, 3]);
    try {
      const [output] = await this.model.run([input]);
      const numbers = output.toTypedArray().slice();
      output.delete();
      return numbers;
    } finally {
      input.delete();
    }
  }
}
