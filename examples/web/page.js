// The page: a picture or the camera in, labels out.

import { Classifier } from "./classifier.js";

const MOST_LABELS = 5;
const find = (id) => document.getElementById(id);
const [picture, video, hint, frame, file] = ["picture", "video", "hint", "frame", "file"].map(find);
const [choose, camera, label, status, problem, scores] = [
  "choose", "camera", "label", "status", "problem", "scores",
].map(find);
let classifier;

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function showProblem(text) {
  problem.textContent = text;
}

function showResult(result) {
  label.textContent = result.label;
  const hz = video.srcObject ? `, ${(1000 / result.milliseconds).toFixed(0)} per second` : "";
  status.textContent = `${result.milliseconds.toFixed(1)} ms${hz}`;
  const ranked = [...result.scores].sort((a, b) => b[1] - a[1]).slice(0, MOST_LABELS);
  scores.replaceChildren(...ranked.map(([name, share]) => {
    const item = document.createElement("li");
    const [text, number] = [document.createElement("span"), document.createElement("span")];
    const bar = Object.assign(document.createElement("meter"), { value: share, max: 1 });
    [text.textContent, number.textContent] = [name, percent(share)];
    bar.setAttribute("aria-hidden", "true");
    item.append(text, number, bar);
    return item;
  }));
}

function show(element) {
  for (const other of [picture, video, hint]) other.hidden = other !== element;
}

async function classifyFile(chosen) {
  stopCamera();
  showProblem("");
  let image;
  try {
    // The pixels of the file, without its colour profile, as the device decodes them.
    image = await createImageBitmap(chosen, {
      colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "from-image",
    });
  } catch {
    showProblem(`${chosen.name}: this browser cannot read it as a picture. Open a JPEG, PNG or WebP.`);
    return;
  }
  try {
    Object.assign(picture, { width: image.width, height: image.height });
    picture.getContext("2d").drawImage(image, 0, 0);
    show(picture);
    showResult(await classifier.classify(image));
  } finally {
    image.close();
  }
}

async function startCamera() {
  showProblem("");
  if (!navigator.mediaDevices) {
    showProblem("Browsers give the camera to pages of https:// and localhost only. Open this page there.");
    return;
  }
  // Another click while the browser asks for permission would open another camera.
  camera.disabled = true;
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    showProblem(`The camera cannot be used (${error.name}). Connect one, and allow this page to use it.`);
    return;
  } finally {
    camera.disabled = false;
  }
  camera.textContent = "Stop camera";
  await video.play();
  show(video);
  await followCamera();
}

function stopCamera() {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  camera.textContent = "Use camera";
}

// Classifies one frame after the other; those that arrive meanwhile are skipped.
async function followCamera() {
  const stream = video.srcObject;
  while (video.srcObject === stream && stream.active) {
    const result = await classifier.classify(video);
    if (video.srcObject !== stream) return;
    showResult(result);
    await new Promise(requestAnimationFrame);
  }
  if (video.srcObject !== stream) return;
  stopCamera();
  showProblem("The camera has stopped. Connect it again.");
}

const guarded = (action) => async (...given) => {
  try {
    await action(...given);
  } catch (error) {
    stopCamera();
    showProblem(`${error.message ?? error} Load the page again.`);
  }
};

const classify = guarded(classifyFile);
choose.onclick = () => file.click();
file.onchange = async () => {
  if (file.files.length) await classify(file.files[0]);
  // So that the same file can be chosen again.
  file.value = "";
};
camera.onclick = guarded(async () => {
  if (!video.srcObject) return startCamera();
  stopCamera();
  show(hint);
});
frame.ondragover = (event) => {
  event.preventDefault();
  frame.classList.add("over");
};
frame.ondragleave = () => frame.classList.remove("over");
frame.ondrop = (event) => {
  event.preventDefault();
  frame.classList.remove("over");
  if (classifier && event.dataTransfer.files.length) classify(event.dataTransfer.files[0]);
};

guarded(async () => {
  classifier = await Classifier.load();
  find("model").textContent = classifier.description.name;
  status.textContent = "Ready.";
  choose.disabled = camera.disabled = false;
})();
