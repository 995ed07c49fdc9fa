// One result: what was expected and seen, and all that the case did.

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
