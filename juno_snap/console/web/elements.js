// What all parts of the page need to write into it. Text is only ever text: see setText.

const PREVIEW_MAX = 160; // characters

export const one = (id) => document.getElementById(id);

export function setText(element, text) {
  if (element.textContent !== text) { // an equal text again would be read aloud again
    element.textContent = text;
  }
}

// Show a text in a box that is hidden while it has none.
export function tell(box, text, inner = box) {
  setText(inner, text ?? "");
  box.hidden = !text;
}

// The element that a template holds.
export function copyOf(template) {
  return one(template).content.firstElementChild.cloneNode(true);
}

// Have a list show one element for each item, in order, keeping those that are there: what has the
// focus keeps it.
export function showEach(list, items, { keyOf, make, show }) {
  const there = new Map([...list.children].map((each) => [each.dataset.key, each]));
  items.forEach((item, index) => {
    const key = keyOf(item);
    let element = there.get(key);
    there.delete(key);
    if (!element) {
      element = make(item);
      element.dataset.key = key;
    }
    if (list.children[index] !== element) {
      list.insertBefore(element, list.children[index] ?? null);
    }
    show(element, item);
  });
  there.forEach((element) => element.remove());
}

// The beginning of a marker; its editor shows all of it.
export function previewOf(snapshot) {
  const characters = [...snapshot.meta.text];
  const beginning = characters.slice(0, PREVIEW_MAX).join("");
  return characters.length > PREVIEW_MAX ? `${beginning}…` : beginning;
}

export const numberOf = (count) => count.toLocaleString("en");

export function ageOf(moment) {
  const seconds = (Date.now() - Date.parse(moment)) / 1000;
  const unit = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]]
    .find(([size]) => seconds >= size);
  if (!unit) {
    return "just now";
  }
  const [size, name] = unit;
  const count = Math.floor(seconds / size);
  return `${count} ${name}${count === 1 ? "" : "s"} ago`;
}
