// The report of one plugin.

const report = DATA.report;
const cases = DATA.cases;
const results = DATA.results;
const requirements = DATA.requirements;

const LEVELS = ["must", "should", "may", "field", "sec", "perf"];

/** What is shown; it is also what the address holds after `#?`. */
const filter = { status: new Set(), level: new Set(), version: "", text: "" };

// -- requirements and sections ----------------------------------------------------------------------

function renderRequirement(id, own) {
  const requirement = requirements[id] || {};
  const status = worst(own.map((result) => result.status));
  const counts = tally(own);
  const bad = own.filter((result) => PROBLEMS.includes(result.status)).length;
  const body = el("div", { class: "requirement-body" });
  const tries = own.length > 1
    ? (bad ? bad + " of " + own.length : own.length + " times") : "";
  const details = el("details", { class: "requirement " + statusClass(status), id },
    el("summary", {},
      badge(status),
      el("span", { class: "words" },
        el("span", { class: "asked" }, prose(requirement.text || id)),
        el("span", { class: "under" },
          el("code", {}, id), el("span", { class: "level" }, own[0].level),
          tries && el("span", { class: "muted", title: describeCounts(counts) }, tries)))),
    body);
  const rows = own.map((result) => ({ result }));
  const show = () => {
    for (const row of rows) if (row.element) row.element.hidden = !matches(row.result);
  };
  whenOpened(details, () => {
    body.append(el("div", { class: "about" },
      requirement.clause && el("p", { class: "fact" }, el("b", {}, "Clause"), " ",
        link(requirement.url, requirement.clause)),
      PROBLEMS.includes(status) && advice("Why it matters", requirement.why),
      PROBLEMS.includes(status) && advice("What usually mends it", requirement.fix),
      Object.keys(requirement.issues || {}).length > 0 && el("p", { class: "fact" },
        el("b", {}, "Seen in the field"), " ",
        Object.entries(requirement.issues).map(([name, url], number) =>
          [number ? ", " : "", link(url, name)])),
      el("p", { class: "fact" }, el("b", {}, "Link to this requirement"), " ",
        el("a", { href: "#" + id }, "#" + id))));
    for (const row of rows) {
      row.element = renderResult(row.result);
      body.append(row.element);
    }
    show();
    const first = rows.filter((row) => !row.element.hidden && PROBLEMS.includes(row.result.status));
    if (first.length) {
      const last = first[first.length - 1].element; // the newest version
      last.open = true;
      last.fill();
    } else if (rows.length === 1) {
      rows[0].element.open = true;
      rows[0].element.fill();
    }
  });
  return { id, element: details, results: own, show };
}

function describeCounts(counts) {
  return Object.entries(counts).map(([status, n]) => n + " " + STATUSES[status][0]).join(", ");
}

function renderSection(section) {
  const ids = [...new Set(section.results.map((result) => result.requirement))];
  const rows = ids.map((id) =>
    renderRequirement(id, section.results.filter((result) => result.requirement === id)));
  const heading = el("h3", { id: "section-" + section.name },
    section.family + ": ", el("span", { class: "topic" }, section.topic),
    el("span", { class: "muted" }, describeCounts(tally(section.results))));
  const element = el("section", { class: "section", "aria-labelledby": "section-" + section.name },
    heading, rows.map((row) => row.element));
  return { ...section, element, rows };
}

// -- filters ----------------------------------------------------------------------------------------

function matches(result) {
  if (filter.status.size && !filter.status.has(result.status)) return false;
  if (filter.level.size && !filter.level.has(result.level)) return false;
  if (filter.version && result.version !== filter.version) return false;
  return filter.text.toLowerCase().split(/\s+/).every((word) => haystack(result).includes(word));
}

function haystack(result) {
  if (result.haystack === undefined) {
    const requirement = requirements[result.requirement] || {};
    result.haystack = [result.requirement, result.case, result.title, result.reason, result.expected,
      result.actual, requirement.text, ...result.diff].join("\n").toLowerCase();
  }
  return result.haystack;
}

/** Put into a set, which buttons share, those of the names that exist. */
function choose(set, names, existing) {
  set.clear();
  for (const name of names) if (existing.includes(name)) set.add(name);
}

function readFragment() {
  const text = fragment();
  if (text.startsWith("?")) {
    const given = new URLSearchParams(text.slice(1));
    choose(filter.status, (given.get("status") || "").split(","), SEVERITY);
    choose(filter.level, (given.get("level") || "").split(","), LEVELS);
    filter.version = given.get("version") || "";
    filter.text = given.get("q") || "";
    return "";
  }
  return text;
}

function writeFragment() {
  const words = new URLSearchParams();
  if (filter.status.size) words.set("status", [...filter.status].join(","));
  if (filter.level.size) words.set("level", [...filter.level].join(","));
  if (filter.version) words.set("version", filter.version);
  if (filter.text) words.set("q", filter.text);
  setFragment(words.size ? "?" + words.toString().replace(/%2C/g, ",") : "");
}

function renderFilters(refresh) {
  const present = (key, names) => names.filter((name) => results.some((result) => result[key] === name));
  const number = (key, name) => results.filter((result) => result[key] === name).length;
  const statuses = toggles("Status", present("status", SEVERITY), filter.status, (name) => [
    el("span", { class: "mark " + statusClass(name), "aria-hidden": "true" }, STATUSES[name][1]),
    STATUSES[name][0] + " ", el("span", { class: "n" }, String(number("status", name)))], refresh);
  const levels = toggles("Level", present("level", LEVELS), filter.level, (name) => [
    name + " ", el("span", { class: "n" }, String(number("level", name)))], refresh);
  const search = el("input", {
    type: "search", id: "search", placeholder: "DEL, iptables, spec/1.1.0/GC …",
    oninput: () => { filter.text = search.value.trim(); refresh(); },
  });
  const versions = [...new Set(results.map((result) => result.version).filter(Boolean))].sort();
  const version = el("select", {
    id: "version", oninput: () => { filter.version = version.value; refresh(); },
  }, el("option", { value: "" }, "every version"),
  versions.map((each) => el("option", { value: each }, each)));
  const shown = el("span", { id: "shown", role: "status" });
  const clear = el("button", {
    type: "button", class: "small", id: "clear",
    onclick: () => { clearFilters(); refresh(); },
  }, "Show all");
  const element = el("div", { class: "card filters", role: "search" }, statuses, levels,
    el("div", { class: "inputs" },
      el("label", {}, el("span", { class: "label" }, "Search"), search),
      versions.length > 1 && el("label", {}, el("span", { class: "label" }, "Version"), version)),
    el("div", { class: "outcome" }, shown, clear));
  return { element, statuses, levels, search, version, shown, clear };
}

// -- put together -----------------------------------------------------------------------------------

const sections = DATA.sections.map((section) => renderSection({
  ...section,
  results: results.slice(section.first, section.first + section.count),
}));
const filters = renderFilters(() => { apply(); writeFragment(); });
const empty = el("p", { class: "card", id: "empty", hidden: true }, "Nothing matches these filters.");

function apply() {
  let number = 0;
  for (const section of sections) {
    let visibleRows = 0;
    for (const row of section.rows) {
      const found = row.results.filter(matches).length;
      row.element.hidden = found === 0;
      if (found) row.show();
      number += found;
      visibleRows += found ? 1 : 0;
    }
    section.element.hidden = visibleRows === 0;
  }
  filters.statuses.refresh();
  filters.levels.refresh();
  if (filters.search.value.trim() !== filter.text) filters.search.value = filter.text;
  filters.version.value = filter.version;
  filters.shown.textContent = number === results.length ? "All " + count(number, "result")
    : number + " of " + count(results.length, "result");
  filters.clear.hidden = number === results.length;
  empty.hidden = number !== 0;
}

function clearFilters() {
  filter.status.clear();
  filter.level.clear();
  filter.version = filter.text = "";
  apply();
}

/** Show what the address names, whatever the filters say. */
function reveal(id) {
  const row = sections.flatMap((section) => section.rows).find((each) => each.id === id);
  if (row) {
    if (row.element.hidden) clearFilters();
    row.element.open = true;
    row.element.fill();
    row.element.scrollIntoView();
    return;
  }
  const section = sections.find((each) => "section-" + each.name === id);
  if (section) {
    if (section.element.hidden) clearFilters();
    section.element.scrollIntoView();
  }
}

function follow() {
  const target = readFragment();
  apply();
  if (target) reveal(target);
}

document.getElementById("page").append(
  renderHeader(), renderSummary(sections), el("h2", { id: "results" }, "Results"), filters.element,
  empty, ...sections.map((section) => section.element),
  el("footer", {}, "Written by cni-conformance ", report.suite_version,
    ". Requirements are told in words of the suite; the links lead to the specification and to reports from the field."));

if (!location.hash && results.some((result) => PROBLEMS.includes(result.status))) {
  // Whoever opens the report wants to know what to mend.
  choose(filter.status, PROBLEMS, results.map((result) => result.status));
}
const first = !location.hash && sections.flatMap((section) => section.rows).find((row) =>
  row.results.some((result) => PROBLEMS.includes(result.status)));
window.addEventListener("hashchange", follow);
follow();
if (first) {
  first.element.open = true;
  first.element.fill();
}
