"use strict";
// Requests /v1/state twice a second and shows it. A failed request is repeated, so
// that the page reconnects by itself.

const POLL_MS = 500;
const TIMEOUT_MS = 4000;
const SHOWN_MS = 60000;

const byId = (id) => document.getElementById(id);
const samples = []; // {at, latency, age} of the last minute
let lastFrame = null;
let counted = null; // {at, frames} of an earlier response, for frames per second
let streaming = false;

async function request(path, options = {}) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
  try {
    return await fetch(path, { cache: "no-store", signal: abort.signal, ...options });
  } finally {
    clearTimeout(timer);
  }
}

async function poll() {
  try {
    const response = await request("/v1/state");
    if (response.status === 401) {
      showSignIn();
      return; // signIn() continues.
    }
    if (!response.ok) throw new Error(response.statusText);
    show(await response.json());
  } catch {
    showOffline();
  }
  setTimeout(poll, POLL_MS);
}

function show(state) {
  byId("live").hidden = false;
  byId("sign-in").hidden = true;
  write("model", `${state.model.model} · ${state.model.version}`);
  showDevice(state.model);
  showSource(state.source);
  showResult(state.result, state.source);
  showCounts(state.source, state.board);
}

function showDevice(model) {
  const isLost = model.state !== "ready";
  write("device", model.device);
  write("device-state", isLost ? `accelerator ${model.state}, running on the CPU` : "");
  byId("device-dot").className = isLost ? "dot warn" : "dot good";
}

const BANNERS = {
  opening: "Opening the camera …",
  stale: "The camera sends no frames. Waiting …",
  reopening: "The camera is lost. Reconnecting …",
  "given up": "The camera was given up. Check its connection, then restart the server.",
  ended: "The recording has ended.",
  failed: "The camera’s loop has failed. See the server’s log.",
};

function showSource(source) {
  const state = source ? source.state : "none";
  write("source-state", state);
  write("source-name", source ? source.name : "images are sent as requests");
  const kinds = { live: "good", ended: "good", "given up": "bad", failed: "bad", none: "" };
  byId("source-dot").className = `dot ${kinds[state] ?? "warn"}`;
  const banner = source ? BANNERS[state] ?? "" : "No camera. Send images to /v1/classify.";
  showBanner(banner, state !== "live" && state !== "ended");
  if (source && source.frames > 0) startStream();
}

function showBanner(text, dim) {
  write("banner", text);
  byId("banner").parentElement.classList.toggle("dim", dim);
}

function showResult(result, source) {
  byId("no-labels").hidden = Boolean(result);
  byId("labels").hidden = !result;
  if (!result) return;
  showLabels(result.top, result.active ?? []);
  byId("unknown").hidden = result.label === result.top[0].label;
  if (result.frame !== lastFrame) {
    lastFrame = result.frame;
    samples.push({ at: performance.now(), latency: result.latency_ms, age: result.age_ms });
  }
  const isLive = source && source.state === "live";
  byId("labels").classList.toggle("old", !isLive && source.state !== "ended");
  write("latency", isLive ? `${number(result.latency_ms)} ms` : "–");
  write("age", isLive ? `${number(result.age_ms)} ms` : "–");
  drawGraph();
}

function showLabels(top, active) {
  const list = byId("labels");
  while (list.children.length > top.length) list.lastChild.remove();
  while (list.children.length < top.length) list.append(makeLabel());
  top.forEach(({ label, probability }, row) => {
    const [name, share, bar] = list.children[row].children;
    if (name.textContent !== label) name.textContent = label;
    name.classList.toggle("active", active.includes(label));
    share.textContent = `${(100 * probability).toFixed(1)} %`;
    bar.firstChild.style.width = `${100 * probability}%`;
  });
}

function makeLabel() {
  const row = document.createElement("li");
  for (const [tag, kind] of [["span", "name"], ["span", "share"], ["div", "bar"]]) {
    const part = document.createElement(tag);
    part.className = kind;
    row.append(part);
  }
  row.lastChild.append(document.createElement("i"));
  row.lastChild.setAttribute("aria-hidden", "true");
  return row;
}

function drawGraph() {
  const now = performance.now();
  while (samples.length && now - samples[0].at > SHOWN_MS) samples.shift();
  const highest = Math.max(1, ...samples.map((s) => Math.max(s.latency, s.age)));
  const top = niceCeiling(highest);
  write("graph-top", samples.length ? `top line ${number(top)} ms` : "");
  for (const kind of ["latency", "age"]) {
    const points = samples.map((s) => {
      const x = 300 * (1 - (now - s.at) / SHOWN_MS);
      return `${x.toFixed(1)},${(99 - 98 * (s[kind] / top)).toFixed(1)}`;
    });
    byId(`${kind}-line`).setAttribute("points", points.join(" "));
  }
}

function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((edge) => edge >= value);
}

function showCounts(source, board) {
  const now = performance.now();
  if (source) {
    if (!counted || source.frames < counted.frames) counted = { at: now, frames: source.frames };
    const seconds = (now - counted.at) / 1000;
    if (seconds >= 2) {
      write("fps", ((source.frames - counted.frames) / seconds).toFixed(1));
      counted = { at: now, frames: source.frames };
    }
    for (const name of ["frames", "dropped", "skipped"]) {
      write(name, source[name].toLocaleString("en"));
    }
  }
  const degrees = board ? board.temperature_c : null;
  byId("heat-row").hidden = degrees === null;
  if (degrees !== null) {
    const limit = board.limit_fps;
    const limited = limit === null ? "" : `, at most ${limit.toFixed(1)} frames/s`;
    write("heat", `${degrees.toFixed(0)} °C${limited}`);
  }
}

function startStream() {
  if (streaming) return;
  streaming = true;
  const picture = byId("picture");
  picture.hidden = false;
  picture.src = `/stream.mjpg?${Date.now()}`;
}

function stopStream() {
  streaming = false;
  byId("picture").removeAttribute("src");
  byId("picture").hidden = true;
}

function showOffline() {
  stopStream();
  counted = null;
  showBanner("The server does not respond. Reconnecting …", true);
  write("source-state", "unknown");
  byId("source-dot").className = byId("device-dot").className = "dot bad";
  byId("live").hidden = !byId("sign-in").hidden;
}

function showSignIn() {
  stopStream();
  byId("live").hidden = true;
  byId("sign-in").hidden = false;
  byId("token").focus();
}

async function signIn(event) {
  event.preventDefault();
  const headers = { Authorization: `Bearer ${byId("token").value.trim()}` };
  try {
    const response = await request("/v1/session", { method: "POST", headers });
    write("sign-in-error", response.ok ? "" : "The token is wrong.");
    if (!response.ok) return;
    byId("sign-in").reset();
    byId("sign-in").hidden = true;
    poll();
  } catch {
    write("sign-in-error", "The server does not respond.");
  }
}

// Writes only changes, so that a screen reader announces nothing else.
function write(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

function number(value) {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

byId("sign-in").addEventListener("submit", signIn);
byId("picture").addEventListener("error", () => setTimeout(stopStream, 1000));
poll();
