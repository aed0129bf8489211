"use strict";
const at = (id) => document.getElementById(id);
const keys = new Map();
let page = null;
let busy = true; // a request is on its way: further keys and clicks are ignored

async function ask(action, body) {
  busy = true;
  enable();
  try {
    const post = {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body ?? {})};
    const answer = await fetch(action, action === "state" ? {} : post);
    if (!answer.ok) throw new Error(await answer.text());
    show(await answer.json());
    problem("");
  } catch (error) {
    problem(error instanceof TypeError
      ? "The command has ended. What you labelled is saved; run it again to continue."
      : String(error.message));
  }
  busy = false;
  enable();
}

function problem(words) {
  at("problem").textContent = words;
  at("problem").hidden = !words;
}

function show(state) {
  page = state.page;
  const skipped = state.skipped ? `, ${state.skipped} skipped` : "";
  at("count").textContent = `${state.labelled} of ${state.of} labelled${skipped}`;
  at("left").textContent = state.left_s === null || !page ? "" : timeLeft(state.left_s);
  at("progress").value = state.of ? state.done / state.of : 1;
  at("undo").dataset.possible = state.undo;
  buttons(state.labels);
  if (state.finished) {
    at("place").textContent = "";
    at("text").textContent = "Saved. You can close this page; run the same command again to continue.";
    page = null;
    at("undo").dataset.possible = false;
    at("finish").disabled = true;
  } else if (page) {
    at("place").textContent = page.url || `${page.source}, row ${page.row + 1}`;
    at("text").textContent = page.text;
  } else {
    at("place").textContent = "";
    at("text").textContent = "All pages are labelled. Undo the last one, or save and finish.";
  }
  const cut = page && page.chars > page.text.length;
  at("cut").hidden = !cut;
  at("cut").textContent = cut ? `The first ${page.text.length} of ${page.chars} characters` : "";
  document.querySelector("main").scrollTop = 0;
}

function timeLeft(seconds) {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return "less than a minute left";
  return minutes < 60 ? `${minutes} min left` : `${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
}

function buttons(labels) {
  if (keys.size) return;
  for (const {key, label} of labels) {
    const button = document.createElement("button");
    button.type = "button";
    if (key !== String(label)) {
      const hint = document.createElement("kbd");
      hint.textContent = key;
      button.append(hint);
    }
    button.append(String(label));
    button.addEventListener("click", () => give(label));
    at("labels").append(button);
    keys.set(key, label);
  }
}

function enable() {
  for (const button of at("labels").children) button.disabled = busy || !page;
  at("skip").disabled = busy || !page;
  at("undo").disabled = busy || at("undo").dataset.possible !== "true";
}

const give = (label) => { if (!busy && page) ask("label", {page: page.sha256, label}); };
const skip = () => { if (!busy && page) ask("skip", {page: page.sha256}); };
const undo = () => { if (!busy && at("undo").dataset.possible === "true") ask("undo"); };

at("skip").addEventListener("click", skip);
at("undo").addEventListener("click", undo);
at("finish").addEventListener("click", () => { if (!busy) ask("finish"); });
document.addEventListener("keydown", (event) => {
  // A key that is held down must label one page only.
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  const key = event.key.toLowerCase();
  if (key === "arrowleft") undo();
  else if (key === "arrowright") skip();
  else if (keys.has(key)) give(keys.get(key));
  else return;
  event.preventDefault();
});
ask("state");
