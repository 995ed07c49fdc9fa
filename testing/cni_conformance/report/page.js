// The report of one plugin.

const report = DATA.report;
const cases = DATA.cases;
const results = DATA.results;
const requirements = DATA.requirements;

const LEVELS = ["must", "should", "may", "field", "sec", "perf"];

/** What is shown; it is also what the address holds after `#?`. */
const filter = { status: new Set(), level: new Set(), version: "", text: "" };

// -- the outcome of one result ----------------------------------------------------------------------

function block(label, text, { language = "", open = true, copy = false } = {}) {
  const body = el("pre", { class: "code " + language, tabindex: "0" });
  if (language === "diff") paintDifference(body, text);
  else body.textContent = visible(text);
  const head = el("div", { class: "block-head" }, el("span", {}, label));
  if (copy) head.append(copyButton(text));
  if (open) return el("div", { class: "block" }, head, body);
  return el("details", { class: "block" }, el("summary", {}, label), body);
}

function paintDifference(body, text) {
  for (const line of text.split("\n")) {
    const kind = line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : "";
    body.append(el("span", { class: "line " + kind }, visible(line) + "\n"));
  }
}

function copyButton(text) {
  const button = el("button", { type: "button", class: "small", "aria-live": "polite" }, "Copy");
  button.addEventListener("click", async () => {
    button.textContent = (await copyText(text)) ? "Copied" : "Copying is not allowed here";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return button;
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Where the page is a file, some browsers know only the old way.
    const area = el("textarea", { class: "offscreen" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** JSON with line breaks, by its letters: numbers and repeated keys stay as they were sent. */
function pretty(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  const compact = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) || [];
  let depth = 0;
  let made = "";
  const newLine = () => "\n" + "  ".repeat(depth);
  compact.forEach((token, number) => {
    const next = compact[number + 1];
    if (token === "{" || token === "[") {
      const empty = next === "}" || next === "]";
      depth += empty ? 0 : 1;
      made += token + (empty ? "" : newLine());
    } else if (token === "}" || token === "]") {
      const empty = compact[number - 1] === "{" || compact[number - 1] === "[";
      depth -= empty ? 0 : 1;
      made += (empty ? "" : newLine()) + token;
    } else if (token === ",") made += token + newLine();
    else if (token === ":") made += ": ";
    else made += token;
  });
  return made;
}

function environment(env) {
  return Object.keys(env).sort().map((key) => key + "=" + env[key]).join("\n");
}

function ending(step) {
  if (step.ended_by === "timeout") return ["timed out", "bad"];
  if (step.ended_by) return ["killed by " + step.ended_by, "bad"];
  if (step.exit_code === null || step.exit_code === undefined) return ["", ""];
  return ["exit " + step.exit_code, step.exit_code === 0 ? "good" : "bad"];
}

function amount(step) {
  const words = [];
  if (step.seconds) {
    const s = step.seconds;
    words.push(s < 1 ? Math.round(s * 1000) + " ms" : s.toFixed(1) + " s");
  }
  if (step.max_rss) words.push(Math.round(step.max_rss / 1048576) + " MiB");
  return words.join(" · ");
}

function renderStep(step, number, mark) {
  const [end, tone] = ending(step);
  const head = [
    el("span", { class: "number" }, String(number + 1)),
    el("span", { class: "step-title" }, visible(step.title)),
    end && el("span", { class: "end " + tone }, visible(end)),
    step.delegate_calls.length > 0 &&
      el("span", { class: "muted" }, count(step.delegate_calls.length, "delegate call")),
    el("span", { class: "muted" }, amount(step)),
    mark && el("span", { class: "here" }, mark),
  ];
  if (step.kind === "note" && !step.argv.length && !step.diff.length) {
    return el("li", { class: "step note" }, el("div", { class: "step-head" }, head));
  }
  const body = el("div", { class: "step-body" });
  const details = el("details", { class: "step " + step.kind, open: mark !== "" },
    el("summary", { class: "step-head" }, head), body);
  whenOpened(details, () => {
    if (step.argv.length) body.append(block("Command", step.argv.join(" ")));
    if (Object.keys(step.env).length) body.append(block("Environment", environment(step.env)));
    if (step.stdin) body.append(block("Standard input", pretty(step.stdin)));
    for (const [label, text] of [["Standard output", step.stdout], ["Standard error", step.stderr]]) {
      if (text.trim()) body.append(block(label, pretty(text)));
      else if (step.kind === "plugin") {
        body.append(el("p", { class: "nothing" }, label + ": nothing"));
      }
    }
    for (const call of step.delegate_calls) body.append(renderDelegateCall(call));
    if (step.diff.length) body.append(block("State difference", step.diff.join("\n"), { language: "diff" }));
  });
  return el("li", {}, details);
}

function renderDelegateCall(call) {
  const text = (value) => (typeof value === "string" ? pretty(value) : JSON.stringify(value, null, 2));
  const body = el("div", { class: "step-body" });
  for (const [key, value] of Object.entries(call)) {
    if (key === "command" || key === "name" || value === "") continue;
    const label = { env: "Environment", stdin: "Standard input" }[key] || key;
    body.append(block(label, key === "env" ? environment(value) : text(value)));
  }
  return el("details", { class: "delegate" },
    el("summary", {}, "Delegate ", visible(String(call.name || "")), " was called with ",
      visible(String(call.command || "?"))), body);
}

/** Fill an element when it is first opened: a report may hold hundreds of transcripts. */
function whenOpened(details, fill) {
  let filled = false;
  const now = () => {
    if (!filled && details.open) {
      filled = true;
      fill();
    }
  };
  details.addEventListener("toggle", now);
  details.fill = now;
  now();
}

function renderResult(result) {
  const place = cases[result.where];
  const body = el("div", { class: "result-body" });
  const details = el("details", { class: "result " + statusClass(result.status) },
    el("summary", {}, badge(result.status),
      el("code", { class: "case" }, visible(result.case)),
      result.version && el("span", { class: "version" }, visible(result.version)),
      el("span", { class: "muted" }, result.seconds ? result.seconds.toFixed(2) + " s" : "")),
    body);
  whenOpened(details, () => {
    body.append(el("p", { class: "title" }, visible(result.title)));
    if (result.reason) body.append(fact("Reason", result.reason));
    if (result.expected || result.actual) {
      body.append(el("div", { class: "versus" },
        el("div", { class: "expected" }, el("h5", {}, "Expected"), el("p", {}, visible(result.expected))),
        el("div", { class: "actual" }, el("h5", {}, "Actual"),
          el("p", {}, visible(result.actual)))));
    }
    if (result.diff.length) {
      body.append(block("Difference of the state", result.diff.join("\n"), { language: "diff" }));
    }
    if (place.steps.length) {
      body.append(el("h5", {}, "What the case did"), el("ol", { class: "steps" },
        place.steps.map((step, number) =>
          renderStep(step, number, markOf(result, number)))));
    }
    if (result.reproducer !== null) {
      const script = DATA.reproducers[result.reproducer];
      body.append(el("details", { class: "script" },
        el("summary", {}, "Do it again"),
        block("With the suite", "cni-conformance replay " + result.requirement, { copy: true }),
        block("Without: a script for sh, which works in namespaces of its own", script, { copy: true })));
    }
  });
  return details;
}

/** What to say beside the call that a problem is about. */
function markOf(result, number) {
  if (!PROBLEMS.includes(result.status) || number !== result.call) return "";
  return result.certain ? "look here" : "last call";
}

function fact(label, text) {
  return text ? el("p", { class: "fact" }, el("b", {}, label), " ", visible(text)) : null;
}

function advice(label, text) {
  return text ? el("p", { class: "fact" }, el("b", {}, label), " ", prose(text)) : null;
}

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

// -- the head of the page ---------------------------------------------------------------------------

function renderHeader() {
  const plugin = report.plugin;
  const counts = tally(results);
  const facts = [
    ["Kind", plugin.kind || "unknown"],
    ["Versions", plugin.versions.join(", ") || "none"],
    ["Level", report.level],
    ["Profile", report.profile || "none"],
    ["Tested", new Date(report.started).toString() === "Invalid Date" ? report.started
      : report.started.replace("T", " ").replace("+00:00", " UTC")],
    ["Took", report.seconds.toFixed(0) + " s" + (report.rootless ? ", without root" : ", as root")],
    ["Kernel", report.kernel],
    ["Suite", report.suite_version + ", specification " + report.spec_version],
    ["Seed", String(report.seed)],
    ["File", plugin.path],
    ["SHA-256", plugin.sha256],
    ["About", plugin.about],
  ];
  const more = el("details", { class: "block" }, el("summary", {}, "About this run"),
    el("dl", { class: "facts" },
      facts.filter(([, value]) => value).map(([name, value]) =>
        el("div", {}, el("dt", {}, name), el("dd", {}, visible(value))))),
    report.command.length > 0 && block("Command line", report.command.join(" "), { copy: true }),
    report.config && block("Network configuration", JSON.stringify(report.config, null, 2)),
    Object.keys(report.not_observed).length > 0 && el("div", {},
      el("h5", {}, "Parts of the state that could not be watched"),
      Object.entries(report.not_observed).map(([part, reason]) => fact(part, reason))));
  return el("header", { class: statusClass(DATA.verdict.status) },
    el("p", { class: "over" }, "CNI conformance"),
    el("h1", {}, visible(plugin.name)),
    el("p", { class: "sub" }, plugin.kind || "unknown kind", " plugin · ",
      plugin.versions.length ? "spec " + visible(plugin.versions.join(", ")) : "no versions"),
    el("p", { class: "verdict", role: "status" },
      el("span", { class: "mark", "aria-hidden": "true" }, STATUSES[DATA.verdict.status][1]),
      el("span", {}, DATA.verdict.sentence)),
    bar(counts),
    more);
}

function renderSummary(sections) {
  const groups = new Map();
  for (const section of sections) {
    const [family, version] = section.family.split(" ");
    const earlier = family === "Specification" && version !== report.spec_version;
    const title = earlier ? "Earlier specifications" : section.family;
    if (!groups.has(title)) groups.set(title, []);
    groups.get(title).push({ ...section, label: earlier ? version + " " + section.topic : section.topic });
  }
  const total = (level) => {
    const own = results.filter((result) => result.level === level);
    return own.length > 0 && el("div", { class: "total" }, el("span", {}, level), fraction("span", own));
  };
  return el("details", { class: "card summary", open: matchMedia("(min-width: 40rem)").matches },
    el("summary", {}, el("h2", {}, "By section and level")),
    el("div", { class: "totals" }, LEVELS.map(total)),
    el("div", { class: "tables" }, [...groups].map(([title, members]) => summaryTable(title, members))),
    el("p", { class: "muted hint" }, "Fulfilled results of those judged; – where nothing could be judged."));
}

function summaryTable(title, members) {
  const levels = LEVELS.filter((level) =>
    members.some((section) => section.results.some((result) => result.level === level)));
  return el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, title),
      levels.map((level) => el("th", { scope: "col" }, level)))),
    el("tbody", {}, members.map((section) => el("tr", {},
      el("th", { scope: "row" },
        el("a", { href: "#section-" + section.name }, section.label)),
      levels.map((level) => fraction("td", section.results.filter((result) => result.level === level)))))));
}

function fraction(name, own) {
  const judged = own.filter((result) => !["skip", "n/a"].includes(result.status));
  if (!own.length) return el(name);
  if (!judged.length) return el(name, { class: "muted", title: describeCounts(tally(own)) }, "–");
  const bad = judged.filter((result) => PROBLEMS.includes(result.status)).length;
  return el(name, {
    class: "fraction " + statusClass(worst(judged.map((result) => result.status))),
    title: describeCounts(tally(own)),
  }, el("b", {}, String(judged.length - bad)), "/" + judged.length);
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
