// A tab for each kind of picture: what is asked for, and what the server is asked.

const TASKS = {
  meter: ["Read a meter", "Choose photos of water, gas or electricity meters, drop them here, or paste one."],
  price: ["Read a price", "Choose pictures of prices, each cut to one line, drop them here, or paste one."],
  plate: ["Read a licence plate", "Choose pictures of Chinese licence plates, each cut to the plate, drop them here, or paste one."],
  captcha: ["Read a captcha", "Choose pictures of captchas, drop them here, or paste one."],
  handwritten: ["Read a handwritten number", "Draw a number of one to eight digits, or choose pictures of one, drop them here, or paste one."],
};
const tabs = [...document.querySelectorAll("[role=tab]")];
const panel = document.getElementById("drop");
let chosen = "meter";

export const task = () => chosen;

function choose(name) {
  chosen = name;
  for (const tab of tabs) {
    const selected = tab.dataset.task === name;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1; // the arrow keys lead to the others
    if (selected) panel.setAttribute("aria-labelledby", tab.id);
  }
  const [title, text] = TASKS[name];
  document.getElementById("add").textContent = title;
  document.getElementById("what").textContent = text;
  for (const element of panel.querySelectorAll("[data-only]")) element.hidden = element.dataset.only !== name;
}

function fromAddress() {
  const name = location.hash.slice(1);
  choose(Object.hasOwn(TASKS, name) ? name : "meter");
}

for (const tab of tabs) {
  tab.addEventListener("click", () => {
    history.replaceState(null, "", `#${tab.dataset.task}`);
    choose(tab.dataset.task);
  });
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
}
window.addEventListener("hashchange", fromAddress);
fromAddress();
