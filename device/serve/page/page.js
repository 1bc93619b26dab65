"use strict";
// The live page; shared.js has what other pages use too. It requests /v1/state twice a second
// and shows it. A failed request is repeated, so that the page reconnects by itself.

const POLL_MS = 500;
const SHOWN_MS = 60000;

const samples = []; // {at, latency, age} of the last minute
let lastFrame = null;
let counted = null; // {at, frames} of an earlier response, for frames per second

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
  byId("capture-link").hidden = !state.capture;
  showModel(state.model);
  showDevice(state.model);
  showSource(state.source);
  showResult(state.result, state.source);
  showCounts(state.source, state.board);
}

function showDevice(model) {
  const isLost = model.state === "lost";
  write("device", model.device);
  write("device-state", isLost ? `accelerator ${model.state}, running on the CPU` : "");
  byId("device-dot").className = isLost ? "dot warn" : "dot good";
}

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

function showResult(result, source) {
  const first = result ? result.top[0] : null;
  const boxes = result ? result.boxes : null;
  byId("no-labels").hidden = Boolean(first || boxes);
  byId("labels").hidden = !first;
  byId("objects").hidden = !boxes;
  byId("unknown").hidden = !first || result.label === first.label;
  if (first) showLabels(result.top, boxes ? [] : result.active ?? []);
  if (boxes) showObjects(boxes);
  showCrossings(result ? result.counts : null);
  if (!first && !boxes) return;
  if (result.frame !== lastFrame) {
    lastFrame = result.frame;
    samples.push({ at: performance.now(), latency: result.latency_ms, age: result.age_ms });
  }
  const isLive = source && source.state === "live";
  for (const id of ["labels", "objects", "counted"]) {
    byId(id).classList.toggle("old", !isLive && source.state !== "ended");
  }
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

function showObjects(boxes) {
  const counts = new Map();
  for (const { label } of boxes) counts.set(label, (counts.get(label) ?? 0) + 1);
  const rows = [...counts].sort((one, other) => other[1] - one[1]);
  fillRows("objects", rows.length ? rows : [["No objects", ""]]);
}

const KINDS = { inside: "inside", to_left: "passed to the left", to_right: "passed to the right" };

function showCrossings(counts) {
  byId("counted").hidden = !counts;
  const kinds = Object.entries(counts ?? {}).flatMap(([label, numbers]) =>
    Object.entries(numbers).map(([kind, number]) => [`${label} ${KINDS[kind]}`, number]));
  fillRows("counted", kinds);
}

function fillRows(id, rows) {
  byId(id).replaceChildren(...rows.map((cells) => {
    const row = document.createElement("li");
    for (const cell of cells) {
      row.append(document.createElement("span"));
      row.lastChild.textContent = cell;
    }
    return row;
  }));
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

function showOffline() {
  stopStream();
  counted = null;
  showBanner("The server does not respond. Reconnecting …", true);
  write("source-state", "unknown");
  byId("source-dot").className = byId("device-dot").className = "dot bad";
  byId("live").hidden = !byId("sign-in").hidden;
}

function number(value) {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

poll();
