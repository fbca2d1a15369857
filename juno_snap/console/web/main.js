// The page: which flow is shown, what it holds, and what can be done with it.

import {
  forgetToken, hasToken, keepToken, listFlows, listSnapshots, readAddress, Refusal, resetFlow,
  resetStep, undo,
} from "./api.js";
import { edit, isUnsaved, noteChanges } from "./editor.js";
import { ageOf, copyOf, numberOf, one, previewOf, setText, showEach, tell } from "./elements.js";
import { askFirst } from "./question.js";

const LIMIT_BYTES = 5120; // where no step snapshot says so
const LOOK_MS = 2000;
const LOOK_AFTER_TROUBLE_MS = 10000;
const SILENT = "The console does not answer; it may have ended. This page tries again.";
const EMPTY_MARKER = "none: the step begins with {}";

let chosen = null; // the name of a flow; the first one while none is chosen
let shown = null; // {flow, snapshots, version} as they are on the page
let looks = 0;
let timer = null;

// Look again, and show what is there. Of two at once the later one counts.
async function refresh() {
  clearTimeout(timer);
  const look = ++looks;
  let pause = LOOK_MS;
  try {
    const found = hasToken() ? await lookUp() : null;
    if (look !== looks) {
      return;
    }
    show(found);
    tell(one("trouble"), null);
  } catch (error) {
    if (look !== looks) {
      return;
    }
    showTrouble(error);
    pause = LOOK_AFTER_TROUBLE_MS;
  }
  if (hasToken() && !document.hidden) {
    timer = setTimeout(refresh, pause);
  }
}

async function lookUp() {
  const flows = await listFlows();
  const flow = flows.find((each) => each.id === chosen) ?? flows[0];
  return { flows, flow, ...(flow ? await listSnapshots(flow.id) : { snapshots: [] }) };
}

function showTrouble(error) {
  if (error instanceof Refusal && error.status === 401) {
    forgetToken();
    show(null);
    tell(one("sign-in-trouble"), error.message);
    one("token").focus();
  } else {
    tell(one("trouble"), error instanceof Refusal ? error.message : SILENT);
  }
}

function show(found) {
  one("sign-in").hidden = found !== null;
  one("content").hidden = found === null;
  shown = found;
  if (found === null) {
    return;
  }
  const { flows, flow, snapshots } = found;
  one("no-flows").hidden = flows.length > 0;
  one("flows").hidden = flows.length === 0;
  showEach(one("flows").firstElementChild, flows, {
    keyOf: (each) => each.id,
    make: () => copyOf("flow-item"),
    show: (item, each) => showFlowItem(item, each, each === flow),
  });
  one("flow").hidden = !flow;
  if (flow) {
    showFlow(flow, snapshots);
    noteChanges(flow.id, snapshots, isRunning(flow));
  }
}

const isRunning = (flow) => flow.attributes.state === "running";

function showFlowItem(item, flow, isShown) {
  const link = item.querySelector("a");
  link.href = `#flow=${encodeURIComponent(flow.id)}`;
  if (isShown) {
    link.setAttribute("aria-current", "page");
  } else {
    link.removeAttribute("aria-current");
  }
  setText(item.querySelector(".name"), flow.id);
  showState(item.querySelector(".state"), flow);
}

function showState(element, flow) {
  setText(element, flow.attributes.state.replace("-", " "));
  element.dataset.state = flow.attributes.state;
}

function showFlow(flow, snapshots) {
  const { steps, source, run, change } = flow.attributes;
  document.title = `${flow.id} – juno-snap`;
  setText(one("flow-name"), flow.id);
  showState(one("flow-state"), flow);
  setText(one("flow-run"), run ? wordsOfRun(flow) : "none");
  setText(one("flow-source"), source ?? "a program of its own");
  setText(one("flow-change"), change ? `${wordsOfChange(change)}, ${ageOf(change.at)}` : "none");
  tell(one("flow-error"), run?.error);
  one("flow-runs").hidden = !isRunning(flow);
  one("reset-flow").disabled = isRunning(flow) || !snapshots.length;
  one("undo").disabled = isRunning(flow) || !change;
  const held = new Map(snapshots.map((each) => [each.id, each]));
  const all = [...new Set([...steps, ...held.keys()])]; // undo may bring one of a step back that is gone
  showEach(one("steps"), all, {
    keyOf: (step) => `${flow.id}/${step}`,
    make: makeRow,
    show: (row, step) => showRow(row, step, held.get(step), isRunning(flow)),
  });
}

function wordsOfRun(flow) {
  const { began_at: began, ended_at: ended } = flow.attributes.run;
  if (ended) {
    return `ended ${ageOf(ended)}`;
  }
  return isRunning(flow) ? `began ${ageOf(began)}` : `began ${ageOf(began)}, has not ended`;
}

const wordsOfChange = ({ kind, steps }) => `${kind} of ${steps.join(", ")}`;

function makeRow(step) {
  const row = copyOf("step-row");
  row.querySelector(".edit").addEventListener("click", () => editStep(step));
  row.querySelector(".reset").addEventListener("click", () => askToResetStep(step));
  return row;
}

function showRow(row, step, snapshot, flowRuns) {
  const meter = row.querySelector("meter");
  const written = row.querySelector("time");
  setText(row.querySelector("th"), step);
  setText(row.querySelector(".marker"), snapshot ? previewOf(snapshot) : EMPTY_MARKER);
  const { size_bytes: bytes, limit_bytes: limit, updated_at: at } = snapshot?.meta ?? {
    size_bytes: 0, limit_bytes: LIMIT_BYTES,
  };
  meter.max = limit;
  meter.high = limit * 0.8;
  meter.optimum = 0;
  meter.value = bytes;
  meter.hidden = !snapshot;
  meter.setAttribute("aria-label", `Size of the step snapshot of ${step}`);
  setText(row.querySelector(".bytes"), snapshot ? `${numberOf(bytes)} of ${numberOf(limit)} B` : "–");
  setText(written, snapshot ? ageOf(at) : "–");
  written.dateTime = at ?? "";
  written.title = at ?? "";
  const change = row.querySelector(".edit");
  const reset = row.querySelector(".reset");
  setText(change, snapshot ? (flowRuns ? "View" : "Edit") : "Create");
  change.disabled = flowRuns && !snapshot;
  change.setAttribute("aria-label", `${change.textContent} ${step}`);
  reset.hidden = !snapshot;
  reset.disabled = flowRuns;
  reset.setAttribute("aria-label", `Reset ${step}`);
}

function editStep(step) {
  const snapshot = shown.snapshots.find((each) => each.id === step) ?? null;
  edit({
    flow: shown.flow.id,
    step,
    snapshot,
    limit: snapshot?.meta.limit_bytes ?? LIMIT_BYTES,
    isRunning: isRunning(shown.flow),
    onSaved: (isNew) => {
      const what = isNew ? "Created" : "Saved";
      return done(`${what} the step snapshot of ${step}.`, rowButton(step));
    },
  });
}

const rowButton = (step) => () => {
  const key = `${shown.flow.id}/${step}`;
  return [...one("steps").children].find((row) => row.dataset.key === key)?.querySelector(".edit");
};

function askToResetStep(step) {
  const flow = shown.flow.id;
  const lost = shown.snapshots.filter((each) => each.id === step);
  askFirst({
    title: `Reset step ${step} of ${flow}?`,
    text: "This is deleted, and the step begins with {} in the next run. Undo brings it back.",
    lost,
    yes: "Reset step",
    doIt: async () => {
      await resetStep(flow, step, lost[0].meta.version);
      await done(`Reset ${step}.`, rowButton(step));
    },
  });
}

function askToResetFlow() {
  const { flow: { id: flow }, snapshots, version } = shown;
  askFirst({
    title: `Reset flow ${flow}?`,
    text: "These are deleted, and every step begins with {} in the next run. Undo brings them back.",
    lost: snapshots,
    yes: "Reset flow",
    doIt: async () => {
      const { document: { meta } } = await resetFlow(flow, version);
      await done(`Reset ${meta.reset.join(", ") || "nothing"}.`, () => one("flow-name"));
    },
  });
}

// At once, but where a run has written since: that would be lost.
async function askToUndo() {
  const { flow, snapshots, version } = shown;
  const { change } = flow.attributes;
  const isLost = ({ id, meta }) => change.steps.includes(id) && meta.run !== null
    && Date.parse(meta.updated_at) > Date.parse(change.at);
  const lost = snapshots.filter(isLost);
  const doIt = async () => {
    const { document: { meta } } = await undo(flow.id, version);
    await done(`Undone: ${change.kind} of ${meta.undone.join(", ")}.`, () => one("undo"));
  };
  if (lost.length) {
    askFirst({
      title: `Undo ${wordsOfChange(change)}?`,
      text: "Runs have written these since. What was there before the change takes their place.",
      lost,
      yes: "Undo",
      doIt,
    });
    return;
  }
  try {
    await doIt();
  } catch (error) {
    tell(one("undo-trouble"), error instanceof Refusal ? error.message : SILENT);
    await refresh();
  }
}

// Say what was done, show what it came to, and put the focus where it belongs.
async function done(text, target) {
  setText(one("said"), text);
  tell(one("undo-trouble"), null);
  await refresh();
  setTimeout(() => target()?.focus()); // once the dialog is closed, and has given it back
}

function followAddress() {
  const said = readAddress();
  chosen = said.get("flow");
  setText(one("said"), "");
  tell(one("undo-trouble"), null);
  refresh();
}

one("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(one("token").value);
  one("token").value = "";
  tell(one("sign-in-trouble"), null);
  refresh();
});
one("reset-flow").addEventListener("click", askToResetFlow);
one("undo").addEventListener("click", askToUndo);
addEventListener("hashchange", followAddress);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
addEventListener("beforeunload", (event) => isUnsaved() && event.preventDefault());
followAddress();
