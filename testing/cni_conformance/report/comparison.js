// Several plugins beside each other: a row for each requirement, a column for each plugin.

const plugins = DATA.plugins;
const requirements = DATA.requirements;
const filter = { level: new Set(), differences: false, text: "" };
const LEVELS = ["must", "should", "may", "field", "sec", "perf"];

function pluginCard(plugin, number) {
  const counts = {};
  for (const row of DATA.rows) {
    const status = row.statuses[number];
    if (status) counts[status] = (counts[status] || 0) + 1;
  }
  const ordered = Object.fromEntries(SEVERITY.filter((status) => counts[status]).map((status) => [status, counts[status]]));
  return el("div", { class: "card " + statusClass(plugin.verdict.status) },
    el("h2", {}, visible(plugin.label)),
    el("p", { class: "muted" }, (plugin.kind || "unknown kind") + " · level " + plugin.level + " · "
      + visible(plugin.versions.join(", "))),
    el("p", { class: "verdict" }, plugin.verdict.sentence),
    bar(ordered),
    el("p", { class: "muted hint" },
      Object.entries(ordered).map(([status, n]) => n + " " + STATUSES[status][0]).join(", ")));
}

function cell(status, detail) {
  if (!status) return el("td", { class: "muted" }, el("span", { title: "not in this report" }, "–"));
  const [word, mark] = STATUSES[status];
  return el("td", {}, el("span", { class: "badge " + statusClass(status), title: word + (detail ? ": " + visible(detail) : "") },
    el("span", { "aria-hidden": "true" }, mark), el("span", { class: "word" }, word)));
}

function matrixRow(row) {
  const requirement = requirements[row.id] || {};
  const element = el("tr", { class: row.differs ? "differs" : "", id: row.id },
    el("th", { scope: "row" }, link(requirement.url, el("code", {}, row.id)), " ",
      el("span", { class: "level" }, row.level),
      el("span", { class: "what" }, prose(requirement.text || ""))),
    row.statuses.map((status, number) => cell(status, row.details[number])));
  return { ...row, element, words: (row.id + " " + (requirement.text || "")).toLowerCase() };
}

const rows = DATA.rows.map(matrixRow);
const bodies = DATA.sections.map((section) => {
  const own = rows.slice(section.first, section.first + section.count);
  const element = el("tbody", {},
    el("tr", { class: "family" }, el("th", { colspan: String(plugins.length + 1), scope: "rowgroup" },
      section.family + ": " + section.topic)),
    own.map((row) => row.element));
  return { element, rows: own };
});

const shown = el("span", { id: "shown", role: "status" });
const empty = el("p", { class: "card", id: "empty", hidden: true }, "Nothing matches these filters.");
const only = el("button", {
  type: "button", class: "toggle", id: "differences", "aria-pressed": "false",
  onclick: () => { filter.differences = !filter.differences; refresh(); },
}, "Differences only ", el("span", { class: "n" }, String(rows.filter((row) => row.differs).length)));
const levels = toggles("Level", LEVELS.filter((level) => rows.some((row) => row.level === level)), filter.level,
  (name) => [name + " ", el("span", { class: "n" }, String(rows.filter((row) => row.level === name).length))],
  () => refresh());
const search = el("input", {
  type: "search", id: "search", placeholder: "DEL, spec/1.1.0/GC …",
  oninput: () => { filter.text = search.value.trim(); refresh(); },
});

function matches(row) {
  return (!filter.differences || row.differs)
    && (!filter.level.size || filter.level.has(row.level))
    && filter.text.toLowerCase().split(/\s+/).every((word) => row.words.includes(word));
}

function apply() {
  let number = 0;
  for (const body of bodies) {
    let found = 0;
    for (const row of body.rows) {
      row.element.hidden = !matches(row);
      found += row.element.hidden ? 0 : 1;
    }
    body.element.hidden = found === 0;
    number += found;
  }
  only.setAttribute("aria-pressed", String(filter.differences));
  levels.refresh();
  if (search.value.trim() !== filter.text) search.value = filter.text;
  shown.textContent = number + " of " + count(rows.length, "requirement");
  empty.hidden = number !== 0;
}

function refresh() {
  apply();
  const words = new URLSearchParams();
  if (filter.differences) words.set("differences", "1");
  if (filter.level.size) words.set("level", [...filter.level].join(","));
  if (filter.text) words.set("q", filter.text);
  setFragment(words.size ? "?" + words.toString().replace(/%2C/g, ",") : "");
}

function follow() {
  const text = fragment();
  if (text.startsWith("?")) {
    const given = new URLSearchParams(text.slice(1));
    filter.differences = given.has("differences");
    filter.level.clear();
    for (const level of (given.get("level") || "").split(",")) if (LEVELS.includes(level)) filter.level.add(level);
    filter.text = given.get("q") || "";
  }
  apply();
  if (text && !text.startsWith("?")) document.getElementById(text)?.scrollIntoView();
}

document.getElementById("page").classList.add("wide");
document.getElementById("page").append(
  el("p", { class: "over" }, "CNI conformance"),
  el("h1", {}, count(plugins.length, "plugin") + " compared"),
  el("div", { class: "plugins" }, plugins.map(pluginCard)),
  el("div", { class: "card filters", role: "search" },
    el("div", { class: "toggles" }, el("span", { class: "label" }, "Show"), only), levels,
    el("div", { class: "inputs" }, el("label", {}, el("span", { class: "label" }, "Search"), search)),
    el("div", { class: "outcome" }, shown)),
  empty,
  el("div", { class: "card scroll", tabindex: "0", role: "region", "aria-label": "Requirements by plugin" },
    el("table", { class: "matrix" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Requirement"),
        plugins.map((plugin) => el("th", { scope: "col" }, visible(plugin.label))))),
      bodies.map((body) => body.element))));
window.addEventListener("hashchange", follow);
follow();
