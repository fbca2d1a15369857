// What all parts of the page need to write into it. Text is only ever text: see setText.

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

export const numberOf = (count) => count.toLocaleString("en");

export function ageOf(moment) {
  const seconds = Math.max(0, (Date.now() - Date.parse(moment)) / 1000);
  const units = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
  const [size, name] = units.find(([each]) => seconds >= each) ?? [1, "second"];
  const count = Math.floor(seconds / size);
  return `${count} ${name}${count === 1 ? "" : "s"} ago`;
}
