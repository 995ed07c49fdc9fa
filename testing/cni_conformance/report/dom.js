"use strict";

// What plugins print is hostile. Everything below goes through textContent and setAttribute with
// names of our own; nothing is ever parsed as HTML.

const DATA = JSON.parse(document.getElementById("data").textContent);

const STATUSES = {
  error: ["error", "‼", "the suite itself went wrong"],
  fail: ["failed", "✗", "violated, at or above the chosen level"],
  warn: ["warning", "!", "violated, below the chosen level"],
  known: ["known", "~", "violated, and listed as a known failure"],
  pass: ["passed", "✓", "fulfilled"],
  info: ["measured", "i", "a measurement, which never fails"],
  skip: ["skipped", "–", "not tested, for the reason given"],
  "n/a": ["not applicable", "·", "does not bind this plugin"],
};
const SEVERITY = Object.keys(STATUSES);
const PROBLEMS = ["error", "fail", "warn", "known"];

/** An element with attributes and children; strings become text. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") element.addEventListener("click", value);
    else if (key === "oninput") element.addEventListener("input", value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(key, value);
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

function statusClass(status) {
  return "is-" + (status === "n/a" ? "na" : status);
}

function badge(status) {
  const [word, mark, meaning] = STATUSES[status];
  return el("span", { class: "badge " + statusClass(status), title: meaning },
    el("span", { class: "mark", "aria-hidden": "true" }, mark), word);
}

function worst(statuses) {
  return SEVERITY.find((status) => statuses.includes(status)) || "skip";
}

function count(number, thing) {
  return number + " " + thing + (number === 1 ? "" : "s");
}

function tally(results) {
  const counts = {};
  for (const status of SEVERITY) {
    const found = results.filter((result) => result.status === status).length;
    if (found) counts[status] = found;
  }
  return counts;
}

/** A link, if the address is one that may be followed. */
function link(url, text) {
  if (!/^https?:\/\//.test(url || "")) return text;
  return el("a", { href: url, rel: "noopener noreferrer" }, text);
}

/** Text of ours, in which `words` are code. */
function prose(text) {
  return text.split("`").map((part, number) => (number % 2 ? el("code", {}, part) : part));
}

/** Control characters made visible, as the terminal report does it. */
function visible(text) {
  return text.replace(/\r\n/g, "\n").replace(
    /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    (character) => {
      const number = character.charCodeAt(0);
      return number < 256 ? "\\x" + number.toString(16).padStart(2, "0")
        : "\\u" + number.toString(16).padStart(4, "0");
    });
}

/** The part of the address after `#`, as text. */
function fragment() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function setFragment(text) {
  try {
    history.replaceState(null, "", "#" + text);
  } catch {
    // Some browsers forbid it for files; the page works without.
  }
}

/** A row of buttons of which several may be pressed; none pressed means all. */
function toggles(label, names, pressed, face, changed) {
  const buttons = names.map((name) => {
    const button = el("button", {
      type: "button",
      class: "toggle",
      "data-name": name,
      "aria-pressed": String(pressed.has(name)),
      onclick: () => {
        if (pressed.has(name)) pressed.delete(name);
        else pressed.add(name);
        changed();
      },
    }, face(name));
    return button;
  });
  const group = el("div", { class: "toggles", role: "group", "aria-label": label },
    el("span", { class: "label" }, label), buttons);
  group.refresh = () => {
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(pressed.has(button.dataset.name)));
    }
  };
  return group;
}

/** The colour scale that says at a glance how things stand. */
function bar(counts) {
  const said = Object.entries(counts).map(([status, n]) => n + " " + STATUSES[status][0]).join(", ");
  const element = el("div", { class: "bar", role: "img", "aria-label": said });
  for (const [status, n] of Object.entries(counts)) {
    const part = el("span", { class: statusClass(status) });
    part.style.flexGrow = n;
    element.append(part);
  }
  return element;
}
