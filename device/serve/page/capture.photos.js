"use strict";
// The photos of a class, and the dialog that moves or deletes one.

const MOST_NAMES = 200; // Of one response.
const MORE = 48; // Photos that a press of "More" adds.
const shown = new Map(); // How many photos a class shows, if more than the newest.
let opened = null; // {label, photo} in the dialog.

async function showPhotos(list, label, found) {
  const wanted = shown.get(label) ?? 0;
  const version = `${found.count} ${found.photos[0]} ${found.photos.at(-1)} ${wanted}`;
  if (list.dataset.version === version) return;
  list.dataset.version = version;
  try {
    const isMore = wanted > found.photos.length;
    const names = isMore ? await namePhotos(label, wanted) : found.photos;
    list.replaceChildren(...names.map((name) => makeThumbnail(label, name, list)));
    const left = found.count - names.length;
    if (left > 0) list.append(makeMore(label, left, names.length));
  } catch {
    delete list.dataset.version; // The next response tries again.
  }
}

async function namePhotos(label, wanted) {
  const names = [];
  for (let left = wanted; left > 0; left -= MOST_NAMES) {
    const query = new URLSearchParams({ start: names.length, count: Math.min(left, MOST_NAMES) });
    if (label !== null) query.set("label", label);
    const response = await request(`${API}/photos?${query}`);
    if (!response.ok) throw new Error(response.statusText);
    names.push(...(await response.json()).photos);
  }
  return names;
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

byId("delete").addEventListener("click", deletePhoto);
byId("close").addEventListener("click", () => byId("photo").close());
