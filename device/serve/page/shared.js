"use strict";
// What every page does: requests, the picture, the token. A page defines `poll`, which
// begins to request its data.

const TIMEOUT_MS = 4000;

const byId = (id) => document.getElementById(id);
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

// Writes only changes, so that a screen reader announces nothing else.
function write(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

function showModel({ model, version, state }) {
  write("model", state === "untaught" ? "No model yet" : `${model} · ${version}`);
}

const BANNERS = {
  opening: "Opening the camera …",
  stale: "The camera sends no frames. Waiting …",
  reopening: "The camera is lost. Reconnecting …",
  "given up": "The camera was given up. Check its connection, then restart the server.",
  ended: "The recording has ended.",
  failed: "The camera’s loop has failed. See the server’s log.",
};

function showBanner(text, dim) {
  write("banner", text);
  byId("banner").parentElement.classList.toggle("dim", dim);
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

byId("sign-in").addEventListener("submit", signIn);
byId("picture").addEventListener("error", () => setTimeout(stopStream, 1000));
