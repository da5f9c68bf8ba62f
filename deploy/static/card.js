// One photo's card: the photo with what was seen on it, the display, the digits, the reading.

import { download } from "./downloads.js";

const SVG = "http://www.w3.org/2000/svg";
const REASONS = {
  no_display: "No display was found on the photo.",
  illegible: "There is a display, but it cannot be read.",
  unknown_digit: "A digit cannot be told (x).",
  low_confidence: "Too unsure to be given as a reading.",
  decreased: "Less than the last reading.",
  too_large_increase: "More than can have been used since the last reading.",
  no_text: "No text was found on the picture.",
};
const KINDS = { price: "Price", plate: "Plate", captcha: "Captcha", handwritten: "Handwritten" };

// Of a meter the digits, of a line the characters.
const pieces = (result) => result.digits ?? result.characters;
const level = (confidence) => (confidence >= 0.9 ? "sure" : confidence >= 0.5 ? "unsure" : "doubtful");
// Rounded down: 99.9 is not certain.
const percent = (value) => `${Math.floor(100 * value)} %`;

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export function showWaiting(entry) {
  const card = document.getElementById("card").content.firstElementChild.cloneNode(true);
  entry.card = card;
  entry.url = URL.createObjectURL(entry.file);
  card.classList.add("waiting");
  const photo = card.querySelector(".photo");
  photo.src = entry.url;
  photo.alt = `Picture ${entry.name}`;
  photo.addEventListener("error", () => (card.querySelector(".seen").hidden = true)); // a format no browser shows
  card.querySelector(".kind").textContent = KINDS[entry.task] ?? "";
  card.querySelector(".name").textContent = entry.name;
  card.querySelector(".reading").textContent = "Waiting …";
  const meter = entry.task === "meter";
  const correction = card.querySelector(".correct input");
  if (meter) correction.inputMode = "decimal";
  card.querySelector("[data-format=tasks]").hidden = !meter;
  correction.addEventListener("input", (event) => {
    const typed = event.target.value.trim();
    const text = meter ? typed.replace(",", ".") : typed;
    const valid = meter ? /^\d+(\.\d*)?$/.test(text) : text !== "";
    event.target.setCustomValidity(valid ? "" : meter ? "Digits, and one decimal point" : "A text");
    entry.corrected = valid && text !== entry.result.text ? text : null;
  });
  card.addEventListener("click", (event) => {
    const format = event.target.dataset.format;
    if (format) download([entry], format);
  });
  return card;
}

export function showError(entry, message) {
  const { card } = entry;
  card.classList.remove("waiting");
  showReading(card, null, message);
}

function showReading(card, text, message, red = false) {
  const reading = card.querySelector(".reading");
  reading.classList.toggle("none", text === null);
  if (text === null) {
    reading.textContent = message;
    return;
  }
  const [whole, fraction] = red ? text.split(".") : [text];
  const parts = [whole];
  if (fraction !== undefined) {
    const decimals = document.createElement("span");
    decimals.className = "fraction";
    decimals.textContent = `.${fraction}`;
    parts.push(decimals);
  }
  reading.replaceChildren(...parts);
}

function showNote(card, result) {
  const note = card.querySelector(".note");
  if (!pieces(result).length) {
    note.textContent = "";
    return;
  }
  const between = pieces(result).filter((digit) => digit.alternative).map((digit) => `${digit.text} or ${digit.alternative}`);
  const facts = [`${percent(result.confidence)} sure`, `${Math.round(1000 * result.time)} ms`];
  if (result.counter_class) facts.splice(1, 0, result.counter_class.replace("_", ", "));
  if (between.length) facts.push(`between two digits: ${between.join(", ")}`);
  note.replaceChildren(facts.join(" · "));
  if (result.success && result.reason) {
    const warning = document.createElement("span");
    warning.className = "warning";
    warning.textContent = ` ${REASONS[result.reason] ?? result.reason}`;
    note.append(warning);
  }
}

function showOverlay(card, result) {
  const [height, width] = result.original_image_shape;
  const overlay = card.querySelector(".overlay");
  overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const points = (corners) => corners.map((corner) => corner.join(",")).join(" ");
  const shapes = pieces(result).map((digit) => shape("polygon", { points: points(digit.box), class: level(digit.confidence) }));
  if (result.corners) shapes.unshift(shape("polygon", { points: points(result.corners), class: "outline" }));
  overlay.replaceChildren(...shapes);
}

function showDisplay(card, result) {
  const place = card.querySelector(".display");
  place.hidden = !result.display;
  if (!result.display) return;
  place.querySelector("img").src = result.display.image;
  const boxes = result.display.boxes.map(([x, y, width, height], index) =>
    shape("rect", { x, y, width, height, class: level(result.digits[index].confidence) }));
  place.querySelector("svg").replaceChildren(...boxes);
}

function showDigits(card, result) {
  const digits = pieces(result).map((digit) => {
    const item = document.createElement("li");
    item.className = level(digit.confidence);
    const sure = document.createElement("small");
    sure.textContent = percent(digit.confidence);
    item.append(digit.text, sure);
    return item;
  });
  card.querySelector(".digits").replaceChildren(...digits);
}

/** Fills the card; returns one sentence for screen readers. */
export function showResult(entry) {
  const { card, result } = entry;
  card.classList.remove("waiting");
  const seen = result.text || result.rejected_text || "";
  const why = REASONS[result.reason] ?? result.reason ?? "";
  showReading(card, result.success ? result.text : null, seen ? `${why} Seen: ${seen}` : why, entry.task === "meter");
  showNote(card, result);
  showOverlay(card, result);
  showDisplay(card, result);
  showDigits(card, result);
  const correct = card.querySelector(".correct");
  correct.hidden = false;
  correct.querySelector("input").value = seen;
  card.querySelector(".buttons").hidden = false;
  return result.success ? `${result.text}, ${percent(result.confidence)} sure. ${why}` : `no reading. ${why}`;
}
