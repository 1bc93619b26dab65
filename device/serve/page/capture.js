"use strict";
// The page of photos: it makes classes, records while a button or a key is held, and
// teaches. It requests /v1/capture and /v1/state again and again and shows both.

const API = "/v1/capture";
const POLL_MS = 700;
const HOLD_MS = 300; // Between two requests to go on; the server waits a second for one.
const PROBLEM_MS = 8000;
const MORE = 48; // Photos that a press of "More" adds.
const GOOD_COUNT = 20;

const cards = new Map(); // The card of each class, by its name.
const held = new Map(); // What a held button records, by the name of its class.
const shown = new Map(); // How many photos a class shows, if more than the newest.
let latest = { classes: [] }; // The last response of /v1/capture.
let opened = null; // {label, photo} in the dialog.

async function poll() {
  try {
    const [state, capture] = await Promise.all([request("/v1/state"), request(API)]);
    if (state.status === 401) {
      showSignIn();
      return; // signIn() continues.
    }
    showState(await state.json());
    if (capture.ok) showCapture(await capture.json());
    else showProblem((await capture.json()).error);
  } catch {
    stopStream();
    showBanner("The server does not respond. Reconnecting …", true);
    byId("live").hidden = !byId("sign-in").hidden;
  }
  setTimeout(poll, POLL_MS);
}

async function refresh() {
  const response = await request(API);
  if (response.ok) showCapture(await response.json());
}

// Sends JSON; an error is the server's sentence.
async function send(path, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await request(API + path, { method: "POST", headers, body: JSON.stringify(body) });
  if (response.ok) return response.json();
  throw new Error((await response.json()).error);
}

// Sends JSON, and shows what it has changed, or why it has not.
async function change(path, body) {
  try {
    await send(path, body);
    await refresh();
    return true;
  } catch (error) {
    showProblem(error.message);
    return false;
  }
}

let problemTimer = 0;
function showProblem(text) {
  write("problem", text);
  byId("problem").hidden = !text;
  clearTimeout(problemTimer);
  problemTimer = setTimeout(() => showProblem(""), PROBLEM_MS);
}

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function makeButton(className, text, onClick) {
  const button = make("button", className, text);
  button.type = "button";
  if (onClick) button.addEventListener("click", onClick);
  return button;
}

function showState({ model, source, result }) {
  byId("live").hidden = false;
  byId("sign-in").hidden = true;
  showModel(model);
  write("model-error", model.last_error);
  showBanner(BANNERS[source.state] ?? "", source.state !== "live" && source.state !== "ended");
  if (source.frames > 0) startStream();
  const first = result ? result.top[0] : null;
  if (!first) {
    write("label", model.state === "untaught" ? "No model yet" : "–");
    write("share", "");
    return;
  }
  const share = `${(100 * first.probability).toFixed(0)} %`;
  write("label", result.label);
  write("share", result.label === first.label ? share : `perhaps ${first.label}, ${share}`);
}

function showCapture(capture) {
  latest = capture;
  const names = capture.classes.map((found) => found.label);
  for (const [label, card] of cards) {
    if (!names.includes(label)) {
      card.remove();
      cards.delete(label);
    }
  }
  capture.classes.forEach((found, place) => showClass(found, place));
  showUncertain(capture.uncertain);
  showTeaching(capture);
}

function showClass(found, place) {
  const card = cards.get(found.label) ?? makeCard(found.label);
  const list = byId("classes");
  // Only if it is elsewhere: moving a held button would end its recording.
  if (list.children[place] !== card) list.insertBefore(card, list.children[place] ?? null);
  const count = `${found.count} ${found.count === 1 ? "photo" : "photos"}`;
  writeTo(card.querySelector(".count"), count);
  writeTo(card.querySelector("kbd"), place < 9 ? String(place + 1) : "");
  card.querySelector("kbd").hidden = place >= 9;
  card.querySelector(".remove").hidden = found.count > 0;
  showPhotos(card.querySelector(".photos"), found.label, found);
}

function makeCard(label) {
  const card = make("section", "card class");
  card.setAttribute("aria-label", label);
  const head = make("div", "class-head");
  const remove = makeButton("plain remove", "Remove", () => change("/classes/delete", { label }));
  head.append(make("h2", "", label), make("kbd"), make("span", "quiet count"), remove);
  card.append(head, makeHold(label), make("p", "message"), make("div", "photos"));
  card.querySelector(".message").setAttribute("role", "status");
  cards.set(label, card);
  return card;
}

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

async function showPhotos(list, label, found) {
  let names = found.photos;
  const wanted = shown.get(label) ?? 0;
  const isKnown = list.dataset.of === `${found.count} ${names[0]} ${names.at(-1)} ${wanted}`;
  if (isKnown) return;
  list.dataset.of = `${found.count} ${names[0]} ${names.at(-1)} ${wanted}`;
  if (wanted > names.length) names = await namePhotos(label, wanted);
  if (!names) return;
  const buttons = names.map((name) => makeThumbnail(label, name, list));
  list.replaceChildren(...buttons);
  if (found.count > names.length) list.append(makeMore(label, found.count - names.length, names.length));
}

async function namePhotos(label, count) {
  const query = new URLSearchParams({ count: Math.min(count, 200) });
  if (label !== null) query.set("label", label);
  const response = await request(`${API}/photos?${query}`);
  return response.ok ? (await response.json()).photos : null;
}

function makeThumbnail(label, name, list) {
  const old = [...list.children].find((button) => button.dataset.photo === name);
  if (old) return old;
  const button = makeButton("", "", () => openPhoto(label, name));
  button.dataset.photo = name;
  const image = make("img");
  image.loading = "lazy";
  image.alt = `Photo ${name}`;
  image.src = urlOf(label, name);
  button.append(image);
  return button;
}

function makeMore(label, left, there) {
  return makeButton("more", `${left} more`, () => {
    shown.set(label, there + MORE);
    refresh();
  });
}

function urlOf(label, photo, isLarge = false) {
  const query = new URLSearchParams({ photo });
  if (label !== null) query.set("label", label);
  if (isLarge) query.set("large", "true");
  return `${API}/photo?${query}`;
}

function showUncertain(found) {
  byId("uncertain").hidden = !found?.count;
  if (!found) return;
  write("uncertain-count", `${found.count}`);
  showPhotos(byId("uncertain-photos"), null, found);
}

function openPhoto(label, photo) {
  opened = { label, photo };
  askToDelete(false);
  byId("large").src = urlOf(label, photo, true);
  write("photo-of", label === null ? "What does it show?" : `${label}: ${photo}`);
  const others = latest.classes.map((found) => found.label).filter((name) => name !== label);
  const choices = others.map((to) => makeButton("plain", to, () => movePhoto(to)));
  byId("move-to").setAttribute("aria-label", label === null ? "It is" : "Move to");
  byId("move-to").replaceChildren(...choices);
  if (!byId("photo").open) byId("photo").showModal();
}

async function movePhoto(to) {
  const { label, photo } = opened;
  if (await change("/photos/move", { label, photo, to })) openNext(label);
  else byId("photo").close();
}

async function deletePhoto() {
  if (!byId("delete").classList.contains("sure")) {
    askToDelete(true);
    return;
  }
  const { label, photo } = opened;
  if (await change("/photos/delete", { label, photo })) openNext(label);
  else byId("photo").close();
}

function askToDelete(isSure) {
  byId("delete").classList.toggle("sure", isSure);
  write("delete", isSure ? "Really delete?" : "Delete");
}

// Shows the next of those that wait for a class: there are often many.
function openNext(label) {
  const next = label === null ? latest.uncertain?.photos[0] : null;
  if (next) openPhoto(null, next);
  else byId("photo").close();
}

function showTeaching({ classes, teach, has_former: hasFormer }) {
  const isRunning = teach.state === "running";
  const [hint, isReady] = adviseFor(classes);
  write("hint", isRunning ? "" : hint);
  byId("teach-button").disabled = isRunning || !isReady;
  byId("former-button").hidden = !hasFormer;
  byId("former-button").disabled = isRunning;
  byId("teaching").hidden = !isRunning;
  write("step", `${teach.step} ${teach.seconds.toFixed(0)} s`);
  showOutcome(teach);
}

// Returns what to do next, and whether a model can be taught.
function adviseFor(classes) {
  if (classes.length < 2) {
    return ["First make two classes or more, such as “cup” and “none” for all else. Then hold the button of a class and show the thing to the camera.", false];
  }
  const empty = classes.find((found) => found.count === 0);
  if (empty) return [`Now “${empty.label}”: hold its button, and show the thing from different sides, near and far.`, false];
  const few = classes.find((found) => found.count < GOOD_COUNT);
  if (few) return [`“${few.label}” has ${few.count}: ${GOOD_COUNT} photos of each class from different sides are enough to begin.`, true];
  return ["Ready to teach. Later, add photos of what is mistaken, and teach again.", true];
}

const OUTCOMES = {
  taught: ["good", "Taught. The camera uses the new model in a few seconds."],
  rejected: ["warn", "The new model is less accurate, so the former one stays."],
  failed: ["bad", "No model was taught."],
};

function showOutcome(teach) {
  const outcome = byId("outcome");
  const [kind, title] = OUTCOMES[teach.state] ?? ["", ""];
  const text = [title, ...teach.lines].join("\n");
  if (outcome.dataset.text === text) return;
  outcome.dataset.text = text;
  outcome.className = kind;
  outcome.replaceChildren();
  if (!title) return;
  const list = make("ul");
  list.append(...teach.lines.map((line) => make("li", "", line)));
  outcome.append(make("b", "", title), list);
}

function writeTo(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

async function addClass(event) {
  event.preventDefault();
  if (await change("/classes", { label: byId("class-name").value })) byId("new-class").reset();
}

// A digit records into the class of that place, as long as it is held.
function labelOfDigit(event) {
  const isTyped = event.target.matches("input") || byId("photo").open;
  const place = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : -1;
  return isTyped || event.ctrlKey || event.altKey || event.metaKey ? undefined : latest.classes[place]?.label;
}

document.addEventListener("keydown", (event) => {
  const label = labelOfDigit(event);
  if (label !== undefined) hold(label);
});
document.addEventListener("keyup", (event) => {
  const label = labelOfDigit(event);
  if (label !== undefined) release(label);
});
document.addEventListener("visibilitychange", releaseAll);
window.addEventListener("blur", releaseAll);
byId("new-class").addEventListener("submit", addClass);
byId("teach-button").addEventListener("click", () => change("/teach", {}));
byId("former-button").addEventListener("click", () => change("/former", {}));
byId("delete").addEventListener("click", deletePhoto);
byId("close").addEventListener("click", () => byId("photo").close());
poll();
