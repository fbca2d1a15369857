// JSON as text: checked, measured and laid out without reading numbers as JavaScript's, which would
// round what has more than 15 digits.

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const LEVELS_MAX = 100; // as the server has it

// The compact form, as the server stores it. Throws an Error that says what is wrong.
export function compact(text) {
  return write(parse(text), "", "");
}

// The same, for people.
export function layOut(text) {
  return write(parse(text), "\n", "  ");
}

export function sizeBytes(text) {
  return new TextEncoder().encode(text).length;
}

// A node: text of a value that is none of the next two, {items: [node]}, or {members: Map}.
function parse(text) {
  JSON.parse(text); // its errors say where; what is left below need not look for any
  const tokens = text.match(TOKENS);
  let next = 0;

  function value(level) {
    if (level > LEVELS_MAX) {
      throw new Error(`it has more than ${LEVELS_MAX} levels`);
    }
    const token = tokens[next++];
    if (token === "[") {
      return { items: listUntil("]", () => value(level + 1)) };
    }
    if (token === "{") {
      const members = listUntil("}", () => {
        const name = scalar(tokens[next++]);
        next++; // the colon
        return [name, value(level + 1)];
      });
      return { members: new Map(members) }; // of two with one name the last counts
    }
    return scalar(token);
  }

  function listUntil(end, read) {
    const found = [];
    while (tokens[next] !== end) {
      found.push(read());
      if (tokens[next] === ",") {
        next++;
      }
    }
    next++;
    return found;
  }

  return value(0);
}

function write(node, newLine, indent) {
  if (typeof node === "string") {
    return node;
  }
  const [open, close, parts] = node.items
    ? ["[", "]", node.items.map((each) => write(each, newLine + indent, indent))]
    : ["{", "}", [...node.members].map(
      ([name, each]) => `${name}:${indent && " "}${write(each, newLine + indent, indent)}`,
    )];
  if (!parts.length) {
    return open + close;
  }
  return open + newLine + indent + parts.join(`,${newLine}${indent}`) + newLine + close;
}

function scalar(token) {
  if (token.startsWith('"')) {
    return JSON.stringify(JSON.parse(token));
  }
  return /^[-\d]/.test(token) ? number(token) : token;
}

// As Python writes numbers, since that is what is stored: 1.0 stays 1.0, and 1e5 is 100000.0.
function number(token) {
  if (!/[.eE]/.test(token)) {
    return token === "-0" ? "0" : token;
  }
  const value = Number(token);
  if (!Number.isFinite(value)) {
    return token; // the server says what it thinks of it
  }
  const sign = token.startsWith("-") ? "-" : "";
  const [digits, power] = Math.abs(value).toExponential().split("e");
  const plain = digits.replace(".", "");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${digits}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) {
    return `${sign}0.${"0".repeat(-exponent - 1)}${plain}`;
  }
  const padded = plain.padEnd(exponent + 1, "0");
  return `${sign}${padded.slice(0, exponent + 1)}.${padded.slice(exponent + 1) || "0"}`;
}
