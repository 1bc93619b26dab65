"use strict";
// Records while a button or a key is held.

const HOLD_MS = 300; // Between two requests to go on; the server waits a second for one.
const held = new Map(); // What a held button records, by the name of its class.
const byKey = new Map(); // The class that a held digit records into.

function makeHold(label) {
  const button = makeButton("hold", "Hold to record");
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    button.setPointerCapture(event.pointerId);
    hold(label);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) {
    button.addEventListener(end, () => release(label));
  }
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  button.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    hold(label);
  });
  button.addEventListener("keyup", (event) => {
    if (event.key === " " || event.key === "Enter") release(label);
  });
  return button;
}

function hold(label) {
  if (held.has(label)) return;
  const key = Array.from(crypto.getRandomValues(new Uint8Array(12)), (x) => (x % 36).toString(36)).join("");
  const recording = { key };
  recording.released = new Promise((done) => { recording.release = done; });
  held.set(label, recording);
  showHeld(label, true);
  goOn(label, recording);
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function goOn(label, recording) {
  const begun = performance.now();
  while (held.get(label) === recording) {
    await recordOnce(label, recording.key);
    await Promise.race([pause(HOLD_MS), recording.released]);
  }
  // A short press would often be between two frames.
  await pause(Math.max(0, begun + HOLD_MS - performance.now()));
  await send("/release", { key: recording.key }).then((r) => showRecorded(label, r), () => {});
  refresh();
}

async function recordOnce(label, key) {
  try {
    const recorded = await send("/record", { label, key });
    showRecorded(label, recorded);
    if (recorded.is_over) release(label);
  } catch (error) {
    showRecorded(label, { kept: 0, same: 0, problem: error.message });
    release(label);
  }
}

function release(label) {
  const recording = held.get(label);
  if (!recording) return;
  held.delete(label);
  recording.release();
  showHeld(label, false);
}

function releaseAll() {
  for (const label of [...held.keys()]) release(label);
}

function showHeld(label, isOn) {
  const button = cards.get(label)?.querySelector(".hold");
  if (!button) return;
  button.classList.toggle("on", isOn);
  button.textContent = isOn ? "Recording …" : "Hold to record";
}

function showRecorded(label, { kept, same, problem }) {
  const message = cards.get(label)?.querySelector(".message");
  if (!message) return;
  message.classList.toggle("error", Boolean(problem));
  const left = same ? `, ${same} left out: looks the same` : "";
  writeTo(message, problem || `${kept} recorded${left}.`);
}

// A digit records into the class of that place, as long as it is held.
function labelOfDigit(event) {
  const isTyped = event.target.matches("input") || byId("photo").open;
  const place = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : -1;
  return isTyped || event.ctrlKey || event.altKey || event.metaKey ? undefined : latest.classes[place]?.label;
}

document.addEventListener("keydown", (event) => {
  const label = labelOfDigit(event);
  if (label === undefined) return;
  byKey.set(event.key, label);
  hold(label);
});
document.addEventListener("keyup", (event) => {
  // The places of classes, and Ctrl, may have changed since.
  release(byKey.get(event.key));
});
document.addEventListener("visibilitychange", releaseAll);
window.addEventListener("blur", releaseAll);
