// The dialog before something is lost: it names what.

import { copyOf, one, previewOf, setText, showEach, tell } from "./elements.js";

const dialog = one("question");
let act = null;

// Ask; doIt is called on yes, and what it throws is shown. lost: step snapshots.
export function askFirst({ title, text, lost, yes, doIt }) {
  act = doIt;
  setText(one("question-title"), title);
  setText(one("question-text"), text);
  setText(one("question-yes"), yes);
  tell(one("question-trouble"), null);
  showEach(one("question-lost"), lost, {
    keyOf: (snapshot) => snapshot.id,
    make: () => copyOf("lost-item"),
    show: (item, snapshot) => {
      setText(item.querySelector("strong"), snapshot.id);
      setText(item.querySelector("code"), previewOf(snapshot));
    },
  });
  dialog.showModal();
}

one("question-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = one("question-yes");
  button.disabled = true;
  try {
    await act();
    dialog.close();
  } catch (error) {
    tell(one("question-trouble"), error.message);
  } finally {
    button.disabled = false;
  }
});

one("question-no").addEventListener("click", () => dialog.close());
