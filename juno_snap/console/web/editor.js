// The dialog in which a step snapshot is read, written and made.
//
// What is typed is never replaced but on demand, and then it is kept below. It is stored only if the
// step snapshot is still the one that was read.

import { readSnapshot, store } from "./api.js";
import { numberOf, one, setText, tell } from "./elements.js";
import { compact, layOut, sizeBytes } from "./marker.js";

const EMPTY = "{}";
const RELOADED = ["step-snapshot-stale", "step-snapshot-exists", "no-step-snapshot"];
const CHANGED = "This step snapshot was changed meanwhile, so what is typed here cannot be saved.";
const RUNS = "The flow runs: this can be read, and changed once it has ended.";
const dialog = one("editor");
const field = one("editor-text");

let edited = null; // {flow, step, version, text, limit, onSaved}; version null: there is none yet

// Open it; snapshot is null where the step has none.
export function edit({ flow, step, snapshot, limit, isRunning, onSaved }) {
  edited = { flow, step, limit, onSaved };
  setText(one("editor-title"), `Step snapshot of ${step}`);
  tell(one("editor-kept"), null, one("editor-kept-text"));
  begin(snapshot);
  lock(isRunning);
  dialog.showModal();
  field.focus();
}

// What polling has found; nothing that is typed is touched.
export function noteChanges(flow, snapshots, isRunning) {
  if (!dialog.open || edited.flow !== flow) {
    return;
  }
  lock(isRunning);
  const now = snapshots.find((each) => each.id === edited.step) ?? null;
  if ((now?.meta.version ?? null) === edited.version || "busy" in one("editor-save").dataset) {
    return;
  }
  if (isRunning && !isUnsaved()) { // who only reads sees what is there
    begin(now);
  } else {
    complain(CHANGED, true);
  }
}

export const isUnsaved = () => dialog.open && field.value !== edited.text;

function begin(snapshot) {
  edited.version = snapshot?.meta.version ?? null;
  edited.text = snapshot ? layOut(snapshot.meta.text) : EMPTY;
  field.value = edited.text;
  complain(null);
  measure();
}

function lock(isRunning) {
  field.readOnly = isRunning;
  one("editor-save").disabled = isRunning || "busy" in one("editor-save").dataset;
  tell(one("editor-note"), isRunning ? RUNS : null);
}

function measure() {
  const size = one("editor-size");
  try {
    const bytes = sizeBytes(compact(field.value));
    setText(size, `${numberOf(bytes)} of ${numberOf(edited.limit)} bytes, as it is stored`);
    size.dataset.fits = String(bytes <= edited.limit);
  } catch (error) {
    setText(size, `No JSON: ${error.message}`);
    size.dataset.fits = "false";
  }
}

function complain(text, canReload = false) {
  const box = one("editor-trouble");
  tell(box, text, box.querySelector("p"));
  one("editor-reload").hidden = !canReload;
}

async function save() {
  const { flow, step, version, onSaved } = edited;
  let text;
  try {
    text = compact(field.value);
  } catch (error) {
    complain(`This is no JSON: ${error.message}`);
    field.focus();
    return;
  }
  try {
    await store(flow, step, text, version);
  } catch (error) {
    complain(error.message, RELOADED.includes(error.code));
    return;
  }
  dialog.close();
  await onSaved(version === null);
}

async function reload() {
  const typed = field.value;
  let snapshot = null;
  try {
    snapshot = await readSnapshot(edited.flow, edited.step);
  } catch (error) {
    if (error.code !== "no-step-snapshot") {
      complain(error.message, true);
      return;
    }
  }
  if (typed !== edited.text) {
    tell(one("editor-kept"), typed, one("editor-kept-text"));
  }
  begin(snapshot);
  field.focus();
}

one("editor-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = one("editor-save");
  button.disabled = true;
  button.dataset.busy = "";
  try {
    await save();
  } finally {
    delete button.dataset.busy;
    button.disabled = field.readOnly;
  }
});
one("editor-reload").addEventListener("click", reload);
one("editor-cancel").addEventListener("click", () => dialog.close());
field.addEventListener("input", measure);
dialog.addEventListener("cancel", (event) => {
  if (isUnsaved()) { // a browser closes it at the second Escape all the same
    event.preventDefault();
    complain("This is not saved. Save it, or choose Cancel to drop it.");
  }
});
