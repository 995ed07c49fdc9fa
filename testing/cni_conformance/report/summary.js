// The head of the page: the verdict, the run, and the counts by section and level.

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
