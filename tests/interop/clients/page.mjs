// A tab of a browser, in jsdom: loads the page of the console from its server, runs its modules, and
// does what people do. Each line of input is a task, each line of output what came of it.
//
// From Node comes what jsdom has not: fetch (which says Origin as browsers do), modules, and the
// opening and closing of dialogs.
import { getByLabelText, getByRole, queryAllByRole } from '@testing-library/dom';
import { JSDOM } from 'jsdom';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import vm from 'node:vm';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const NEVER = new Promise(() => {});

let tab; // {dom, window, document, modules, isOpen, pending, requests, errors}

async function open(url, kept = {}) {
  if (tab) {
    tab.isOpen = false;
    tab.window.close();
  }
  const opened = { isOpen: true, pending: 0, requests: [], errors: [], modules: new Map() };
  opened.dom = await JSDOM.fromURL(url, {
    runScripts: 'outside-only',
    pretendToBeVisual: true,
    beforeParse: (window) => equip(window, opened, kept),
  });
  opened.window = opened.dom.window;
  opened.document = opened.window.document;
  tab = opened;
  for (const script of opened.document.querySelectorAll('script')) {
    const module = await loadModule(script.src);
    await module.link((name, from) => loadModule(new URL(name, from.identifier).href));
    await module.evaluate();
  }
}

function loadModule(address) {
  if (!tab.modules.has(address)) {
    tab.modules.set(address, fetchModule(address));
  }
  return tab.modules.get(address);
}

async function fetchModule(identifier) {
  const answer = await fetch(identifier);
  const type = answer.headers.get('content-type');
  if (!answer.ok || !/^text\/javascript\b/.test(type)) {
    throw new Error(`${identifier}: a browser would not run ${answer.status} ${type}`);
  }
  const context = tab.dom.getInternalVMContext();
  return new vm.SourceTextModule(await answer.text(), { identifier, context });
}

function equip(window, opened, kept) {
  Object.entries(kept).forEach(([name, value]) => window.sessionStorage.setItem(name, value));
  window.TextEncoder = TextEncoder;
  window.fetch = async (path, { headers, ...options }) => {
    const url = new URL(path, window.location.href);
    opened.requests.push(`${options.method} ${url.pathname}${url.search}`);
    opened.pending += 1;
    const origin = options.method === 'GET' ? {} : { origin: window.location.origin };
    try {
      const answer = await fetch(url, { ...options, headers: { ...headers, ...origin } });
      return new Response((await answer.text()) || null, answer); // all of it has come
    } finally {
      opened.pending -= 1;
      if (!opened.isOpen) {
        await NEVER; // the scripts of a closed page run no more
      }
    }
  };
  for (const name of ['error', 'unhandledrejection']) {
    window.addEventListener(name, (event) => opened.errors.push(String(event.error ?? event.reason)));
  }
  const dialog = window.HTMLDialogElement.prototype;
  dialog.showModal = function showModal() {
    this.lastFocus = window.document.activeElement;
    this.open = true;
    (this.querySelector('[autofocus]') ?? this.querySelector('input, textarea, button')).focus();
  };
  dialog.close = function close() {
    this.open = false;
    this.lastFocus?.focus();
    this.dispatchEvent(new window.Event('close'));
  };
}

// Until what was asked has been answered and shown.
async function settle() {
  for (let quiet = 0; quiet < 3; quiet = tab.pending ? 0 : quiet + 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

// What can be reached: behind an open dialog nothing can.
const reachable = () => tab.document.querySelector('dialog[open]') ?? tab.document.body;

function press(name, role = 'button') {
  const element = getByRole(reachable(), role, { name });
  if (element.disabled) {
    throw new Error(`${name} is disabled`);
  }
  element.focus();
  element.click();
}

function type(label, text) {
  const field = getByLabelText(reachable(), label);
  field.focus();
  field.value = text;
  field.dispatchEvent(new tab.window.Event('input', { bubbles: true }));
}

function escape() {
  const dialog = tab.document.querySelector('dialog[open]');
  if (dialog.dispatchEvent(new tab.window.Event('cancel', { cancelable: true }))) {
    dialog.close();
  }
}

const textOf = (element) => element?.textContent.replace(/\s+/g, ' ').trim() ?? null;

function buttonsOf(element) {
  const found = queryAllByRole(element, 'button');
  return Object.fromEntries(
    found.map((each) => [each.getAttribute('aria-label') ?? textOf(each), !each.disabled]),
  );
}

function see() {
  const { document, window } = tab;
  const dialog = document.querySelector('dialog[open]');
  const rows = queryAllByRole(document.body, 'row').slice(1);
  const focused = document.activeElement;
  return {
    address: window.location.href,
    requests: tab.requests,
    errors: tab.errors,
    text: textOf(document.querySelector('main')),
    elements: document.querySelectorAll('*').length,
    said: textOf(document.getElementById('said')),
    alerts: queryAllByRole(document.body, 'alert').map(textOf),
    asks_for_token: !document.getElementById('sign-in').hidden,
    flows: Object.fromEntries(
      [...document.querySelectorAll('#flows li')].map((each) => [
        textOf(each.querySelector('.name')), textOf(each.querySelector('.state')),
      ]),
    ),
    flow: textOf(document.getElementById('flow-name')),
    buttons: buttonsOf(document.querySelector('#flow > .actions')),
    steps: Object.fromEntries(rows.map((row) => [textOf(row.querySelector('th')), {
      marker: row.querySelector('.marker').textContent,
      bytes: textOf(row.querySelector('.bytes')),
      bar: row.querySelector('meter').value / row.querySelector('meter').max,
      written: textOf(row.querySelector('time')),
      buttons: buttonsOf(row),
    }])),
    focus: focused.getAttribute('aria-label') ?? focused.id,
    dialog: dialog && {
      title: textOf(dialog.querySelector('h2')),
      text: textOf(dialog),
      lost: [...dialog.querySelectorAll('li')].map((each) => [...each.children].map(textOf)),
      field: dialog.querySelector('textarea')?.value,
      is_read_only: dialog.querySelector('textarea')?.readOnly,
      kept: dialog.querySelector('textarea[readonly][aria-label]')?.value,
      size: textOf(dialog.querySelector('.size')),
      alerts: queryAllByRole(dialog, 'alert').map((each) => textOf(each.querySelector('p') ?? each)),
      buttons: buttonsOf(dialog),
    },
  };
}

async function judge() {
  const dialog = tab.document.querySelector('dialog[open]');
  // jsdom draws nothing, so it has to be told that a dialog lies above everything.
  tab.document.elementsFromPoint = () => (dialog ? [dialog] : []);
  if (!tab.window.axe) {
    tab.window.eval(AXE);
  }
  const options = { rules: { 'color-contrast': { enabled: false } } }; // needs a real canvas
  const { violations, passes } = await tab.window.axe.run(options);
  return {
    violations: violations.map(({ id, nodes }) => [id, nodes.map((each) => each.html)]),
    passes: passes.map(({ id }) => id),
  };
}

const tasks = {
  open: ({ url }) => open(url),
  reload: () => open(tab.window.location.href, { ...tab.window.sessionStorage }),
  go: ({ fragment }) => { tab.window.location.hash = fragment; },
  press: ({ name }) => press(name),
  follow: ({ name }) => press(name, 'link'),
  type: ({ label, text }) => type(label, text),
  escape,
  look: () => tab.document.dispatchEvent(new tab.window.Event('visibilitychange')),
  see: () => {},
};

for await (const line of createInterface({ input: process.stdin })) {
  const { task, ...rest } = JSON.parse(line);
  let answer;
  try {
    if (task === 'judge') {
      answer = await judge();
    } else {
      await tasks[task](rest);
      await settle();
      answer = see();
    }
  } catch (error) {
    answer = { failed: String(error.stack).slice(0, 3000) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit();
