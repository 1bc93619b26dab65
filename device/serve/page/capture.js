"use strict";
// The page of photos: classes and teaching. capture.hold.js records, and
// capture.photos.js shows photos. It requests /v1/capture and /v1/state again and again.

const API = "/v1/capture";
const POLL_MS = 700;
const PROBLEM_MS = 8000;
const GOOD_COUNT = 20;

const cards = new Map(); // The card of each class, by its name.
let latest = { classes: [] }; // The last response of /v1/capture.

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
  return ["Ready to teach. Later, add photos of what it gets wrong, and teach again.", true];
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

byId("new-class").addEventListener("submit", addClass);
byId("teach-button").addEventListener("click", () => change("/teach", {}));
byId("former-button").addEventListener("click", () => change("/former", {}));
poll();
