// The page: pictures come in (chosen, dropped, pasted, taken, drawn), are sent one after another, and become cards.

import { takePhoto } from "./camera.js";
import { showError, showResult, showWaiting } from "./card.js";
import { download } from "./downloads.js";
import { drawing } from "./pad.js";
import { task } from "./tabs.js";

const find = (id) => document.getElementById(id);
const entries = []; // {task, name, file, drawn, result, corrected, card}, the newest first on the page
const queue = [];
let busy = false;

function options() {
  const asked = new URLSearchParams({ display: "true" });
  for (const name of ["decimals", "previous", "max_increase"]) {
    const value = find(name).value.trim().replace(",", ".");
    if (value) asked.set(name, value);
  }
  return asked;
}

async function read({ task, file, drawn }) {
  const address = task === "meter" ? `recognize?${options()}` : `recognize/lines/${task}`;
  const body = drawn ? JSON.stringify({ image: drawn }) : file;
  const headers = { "Content-Type": drawn ? "application/json" : "application/octet-stream" };
  const key = sessionStorage.getItem("key");
  if (key) headers["X-API-Key"] = key;
  let response;
  try {
    response = await fetch(address, { method: "POST", headers, body });
  } catch {
    throw new Error("The server cannot be reached.");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.status === 401) throw Object.assign(new Error(answer.error), { asksKey: true });
  if (!response.ok) throw new Error(answer.error || `The server answered ${response.status}.`);
  return answer;
}

async function work() {
  if (busy) return;
  busy = true;
  while (queue.length) {
    const entry = queue.shift();
    say(`Reading ${entry.name} …`);
    try {
      entry.result = await read(entry);
      entry.corrected = null;
      say(`${entry.name}: ${showResult(entry)}`);
    } catch (error) {
      showError(entry, error.message);
      say(`${entry.name}: ${error.message}`);
      if (error.asksKey) {
        queue.unshift(entry);
        find("key_form").hidden = false;
        find("key").focus();
        break;
      }
    }
    find("downloads").hidden = !entries.some((each) => each.result);
    find("downloads").querySelector("[data-format=tasks]").hidden = !entries.some((each) => each.result && each.task === "meter");
  }
  busy = false;
}

function say(text) {
  find("status").textContent = text;
}

function enter(file, name, drawn = null) {
  const entry = { task: task(), name, file, drawn, result: null, corrected: null };
  entries.push(entry);
  find("results").prepend(showWaiting(entry));
  queue.push(entry);
}

function add(files) {
  for (const file of files) enter(file, file.name || "pasted picture");
  work();
}

let drawings = 0;
find("recognise").addEventListener("click", async () => {
  const drawn = await drawing();
  if (!drawn) {
    say("Draw a number first.");
    return;
  }
  drawings += 1;
  enter(drawn.file, `drawing ${drawings}.png`, drawn.url);
  work();
});

find("files").addEventListener("change", (event) => {
  add([...event.target.files]);
  event.target.value = "";
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  find("drop").classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) find("drop").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  find("drop").classList.remove("over");
  add([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length) {
    event.preventDefault();
    add(files);
  }
});
find("camera").addEventListener("click", async () => {
  try {
    const file = await takePhoto();
    if (file) add([file]);
  } catch (error) {
    say(error.message);
  }
});
// The label of the file field works like a button from the keyboard too.
const choose = document.querySelector("label[for=files]");
choose.tabIndex = 0;
choose.setAttribute("role", "button");
choose.addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    find("files").click();
  }
});
find("key_form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", find("key").value);
  find("key_form").hidden = true;
  work();
});
find("downloads").addEventListener("click", (event) => {
  const format = event.target.dataset.format;
  if (format) download(entries.filter((each) => each.result), format);
});
find("clear").addEventListener("click", () => {
  for (const entry of entries) URL.revokeObjectURL(entry.url);
  entries.length = queue.length = 0;
  find("results").replaceChildren();
  find("downloads").hidden = true;
  say("");
  choose.focus();
});
